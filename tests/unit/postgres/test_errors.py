"""PostgreSQL's errors come out sorted by what is to be done: only a bad value is never tried again."""

from collections.abc import Mapping
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.adapters.postgres.errors import is_passing, needs_another_connection, translate

_STATES: Mapping[str, type[psycopg.Error]] = {
    kind.sqlstate: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, psycopg.Error) and kind.sqlstate is not None
}


def sorted_out(state: str) -> LaurelError:
    return translate(_STATES[state]("no"), "store a request")


def test_of_all_states_only_a_value_that_cannot_be_stored_is_never_tried_again() -> None:
    assert len(_STATES) > 200
    never = {state for state in _STATES if isinstance(sorted_out(state), NeverRetry)}
    assert {state[:2] for state in never} == {"22", "54"}
    assert {sorted_out(state).reason for state in never} == {"not_storable"}


def test_whatever_ends_the_session_is_waited_for_and_said_again_whatever_its_state() -> None:
    """A limit of the server ends sessions under states of any class."""
    ending = {"diag": SimpleNamespace(severity_nonlocalized="FATAL", source_file="postgres.c")}
    for kind in _STATES.values():
        ended = type(f"Fatal{kind.__name__}", (kind,), ending)("no")
        assert isinstance(translate(ended, "store a request"), TryLater)
        assert is_passing(ended)


def test_of_all_states_only_a_schema_or_a_right_that_is_not_as_needed_stops_the_process() -> None:
    stops = {state for state in _STATES if isinstance(sorted_out(state), Stop)}
    assert {state[:2] for state in stops} == {"42", "3F"}
    assert {"42501", "42P01", "42703", "42883", "3F000"} <= stops


def test_what_a_server_or_a_pooler_does_to_a_session_is_waited_for() -> None:
    ended = "08P01 08006 25006 25P02 25P03 25P04 26000 42P05 53300 57P01 57P02 57P03 57P05 0A000"
    waits = [sorted_out(state) for state in ended.split()]
    assert all(isinstance(one, TryLater) and one.waiting_on == "postgres" for one in waits)
    assert {one.reason for one in waits} == {"postgres_unavailable"}


@pytest.mark.parametrize("state", ["26000", "42P05"])
def test_a_prepared_statement_that_was_mixed_up_is_said_again_on_another_connection(state: str) -> None:
    assert is_passing(_STATES[state]())
    assert needs_another_connection(_STATES[state]())


def test_a_session_that_only_reads_is_not_used_again() -> None:
    """After a failover it may still lead to the server that was demoted."""
    assert needs_another_connection(_STATES["25006"]())


def test_what_nobody_has_sorted_waits_with_its_state() -> None:
    waits = sorted_out("23514")
    assert isinstance(waits, TryLater)
    assert (waits.reason, waits.facts["sqlstate"]) == ("postgres_refused", "23514")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("FATAL:  unsupported startup parameter: options", "options"),
        ("ERROR:  Unsupported startup parameter: extra_float_digits", "extra_float_digits"),
        ("FATAL:  unsupported startup parameter in options: search_path", "search_path"),
    ],
)
def test_a_startup_parameter_that_a_pooler_refuses_stops_the_process_with_its_name(
    said: str, named: str
) -> None:
    refused = psycopg.OperationalError(f'connection failed: connection to server at "::1" failed: {said}\n')
    stop = translate(refused, "answer a ping")
    assert isinstance(stop, Stop)
    assert (stop.reason, stop.facts["parameter"]) == ("startup_parameter_refused", named)
    assert not is_passing(refused)


@pytest.mark.parametrize(
    "said",
    [
        "server login failed: FATAL password authentication failed",
        "query_wait_timeout",
        "no more connections allowed (max_client_conn)",
        "pgbouncer cannot connect to server",
        "server closed the connection unexpectedly",
    ],
)
def test_what_a_pooler_says_of_its_server_is_waited_for(said: str) -> None:
    for raised in (psycopg.OperationalError(f"FATAL:  {said}"), errors.ProtocolViolation(said)):
        assert isinstance(translate(raised, "answer a ping"), TryLater)
        assert is_passing(raised)
