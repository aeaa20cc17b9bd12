"""Only what a value itself is at fault for is not storable: all else is another's fault."""

import psycopg
import pytest
from psycopg import errors

from domain.errors import LaurelError
from domain.ports.run_store import NOT_STORABLE
from service.adapters.postgres.errors import translate

STATES = {
    state for kind in vars(errors).values() if isinstance(state := getattr(kind, "sqlstate", None), str)
}


def reason(error: Exception) -> str:
    return translate(error, "store a request").reason


def test_of_all_that_psycopg_knows_five_states_are_the_values_own_fault() -> None:
    assert len(STATES) > 200
    own = {state for state in STATES if reason(errors.lookup(state)()) == NOT_STORABLE}
    assert own == {"22001", "22003", "22021", "22P05", "54000"}


@pytest.mark.parametrize(
    "state", ["26000", "42P05", "25P03", "25P04", "22023", "22007", "28P01", "55000", "0A000"]
)
def test_a_poolers_or_a_sessions_fault_is_never_the_records(state: str) -> None:
    error = translate(errors.lookup(state)(), "store a request")
    assert isinstance(error, LaurelError)
    assert error.reason != NOT_STORABLE


def test_a_value_that_cannot_even_be_sent_is_at_fault_itself() -> None:
    assert reason(psycopg.DataError("text fields cannot contain NUL (0x00) bytes")) == NOT_STORABLE
    assert reason(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed")) == NOT_STORABLE
