"""Lists of requests: their narrow rows follow every write, and say what runs and asks say."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg

from domain.asked_request import AskedRequest, identity_of
from domain.lifecycle import State
from domain.ports.run_store import RequestFilter
from service.adapters.postgres.asked_requests import PostgresAskedRequests
from service.adapters.postgres.database import open_database
from service.adapters.postgres.engine import transaction
from service.adapters.postgres.migrate import migrate
from service.adapters.postgres.run_reads import digest_of
from service.adapters.postgres.schema import upgrade
from tests.integration.postgres_admin import plain

MODEL: Final = "price"
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STATES: Final = ("REQUESTED", "SPLIT", "COMPLETED", "DECLINED", "DECLINED", "FAILED")
_ADD_RUN: Final = """
    INSERT INTO laurel.runs (run_id, model_name, identity, identity_digest, payload, correlation_id, state,
        requested_at, updated_at)
    VALUES (%(run)s, 'price', %(run)s, %(digest)s, '{}', %(run)s, %(state)s, %(at)s, %(at)s)
    ON CONFLICT DO NOTHING
"""
_ADD_ASK: Final = """
    INSERT INTO laurel.asked_requests (model_name, request_id, identity_digest, payload, door, asked_by,
        asked_at, acknowledged_at)
    VALUES ('price', %(request)s, %(digest)s, '{}', %(door)s, 'ada', %(at)s, %(told)s)
    ON CONFLICT DO NOTHING
"""
_ACKNOWLEDGE: Final = (
    "UPDATE laurel.asked_requests SET acknowledged_at = now() WHERE request_id = %(request)s"
)
_MOVE: Final = (
    "UPDATE laurel.runs SET state = %(state)s, updated_at = %(at)s WHERE run_id = %(run)s AND NOT ended"
)
# What the lists said before they had rows of their own.
_ALL: Final = b"""
    SELECT coalesce(asked.request_id, runs.run_id) AS request_id, runs.state,
        coalesce(asked.door, 'kafka') AS door, coalesce(asked.asked_at, runs.requested_at) AS asked_at,
        CASE WHEN runs.ended THEN runs.updated_at END AS ended_at, runs.updated_at
    FROM laurel.runs LEFT JOIN laurel.asked_requests AS asked USING (identity_digest, model_name)
    UNION ALL
    SELECT request_id, 'REQUESTED', door, asked_at, NULL, asked_at FROM laurel.asked_requests AS asked
    WHERE acknowledged_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM laurel.runs WHERE runs.identity_digest = asked.identity_digest)
"""
_COUNTS: Final = b"""
    SELECT model_name, door, end_state, count(*) FROM laurel.listed_requests WHERE end_state IS NOT NULL
    GROUP BY 1, 2, 3
    EXCEPT SELECT * FROM laurel.listed_counts
"""


def _life(connection: psycopg.Connection[Any], dice: random.Random, number: int) -> None:
    """One request: a run, an ask, or both in either order, some of them with an end."""
    request, at = f"request-{number:03}", BEGAN + timedelta(minutes=dice.randrange(200))
    known: dict[str, Any] = {
        "request": request,
        "run": f"run-{number:03}",
        "digest": digest_of(identity_of(request)),
    }
    known |= {"door": dice.choice(("api", "dag")), "told": dice.choice((None, at))}
    steps: list[tuple[str, dict[str, Any]]] = []
    if asked := dice.random() < 0.6:
        steps.append((_ADD_ASK, {"at": at}))
    if dice.random() < 0.8:
        steps.append((_ADD_RUN, {"state": dice.choice(_STATES), "at": at + timedelta(seconds=1)}))
        steps.append(
            (_MOVE, {"state": dice.choice(_STATES), "at": at + timedelta(minutes=dice.randrange(9))})
        )
    if asked and dice.random() < 0.5:
        steps.append((_ACKNOWLEDGE, {}))
    if dice.random() < 0.2:  # a restore lost the ask, and its run is there when it is asked for again
        steps.sort(key=lambda step: step[0] == _ADD_ASK)
    for statement, more in steps:
        connection.execute(statement.encode(), known | more)


def _lives(connection: psycopg.Connection[Any], seed: int, numbers: range) -> None:
    dice = random.Random(seed)
    for number in numbers:
        _life(connection, dice, number)


def _straight(rows: Sequence[Any], wanted: RequestFilter) -> list[str]:
    """The ids that a filter leaves, in its order, told row by row."""

    def kept(row: Any) -> bool:
        _, state, door, asked_at, ended_at, updated_at = row
        spans = (
            (asked_at, wanted.since, wanted.until),
            (ended_at, wanted.ended_since, wanted.ended_until),
            (updated_at, wanted.updated_since, wanted.updated_until),
        )
        named = (not wanted.states or state in wanted.states) and (
            not wanted.interfaces or door in wanted.interfaces
        )
        return named and all(
            (since is None or (at is not None and at >= since))
            and (until is None or (at is not None and at <= until))
            for at, since, until in spans
        )

    ordered = sorted(filter(kept, rows), key=lambda row: (row[3], row[0]), reverse=wanted.newest_first)
    return [row[0] for row in ordered]


LATE: Final = BEGAN + timedelta(minutes=90)
FILTERS: Final = (
    RequestFilter(),
    RequestFilter(newest_first=False),
    RequestFilter(states=(State.DECLINED, State.FAILED)),
    RequestFilter(states=(State.REQUESTED, State.DECLINED), newest_first=False),
    RequestFilter(states=(State.SPLIT,)),
    RequestFilter(interfaces=("kafka",)),
    RequestFilter(interfaces=("api", "dag"), states=(State.COMPLETED, State.SPLIT)),
    RequestFilter(since=LATE, until=LATE + timedelta(minutes=60)),
    RequestFilter(ended_since=LATE, newest_first=False),
    RequestFilter(updated_since=LATE),
    RequestFilter(updated_until=LATE, states=(State.REQUESTED, State.COMPLETED)),
    RequestFilter(ended_until=LATE, states=(State.SPLIT, State.FAILED)),
)


async def _assert_lists_agree(url: str, filters: Sequence[RequestFilter] = FILTERS) -> None:
    with plain(url) as connection:
        rows = connection.execute(_ALL).fetchall()
        assert connection.execute(_COUNTS).fetchall() == []
    async with open_database(url) as database:
        requests = PostgresAskedRequests(database, MODEL)
        for wanted in filters:
            told = _straight(rows, wanted)
            for offset in {0, len(told) // 2 + 1, len(told) + 5}:
                found, total = await requests.page(wanted, 10, offset)
                assert total == len(told), wanted
                assert _ids(found) == told[offset : offset + 10], (wanted, offset)


def _ids(found: Sequence[AskedRequest]) -> list[str]:
    return [asked.request_id for asked in found]


async def test_lists_say_what_runs_and_asks_say_before_and_after_an_upgrade(empty_database_url: str) -> None:
    """Some lives before the upgrade, some after it; in either order of ask and run."""
    with transaction(empty_database_url, "make the schema of before") as before:
        before.exec_driver_sql("CREATE SCHEMA laurel")
        migrate(before, "0008")
    with plain(empty_database_url) as connection:
        _lives(connection, 1, range(60))
        upgrade(empty_database_url)
        await _assert_lists_agree(empty_database_url)
        _lives(connection, 2, range(60, 120))
        _lives(connection, 3, range(120))  # and again, where most is there already
    await _assert_lists_agree(empty_database_url)


async def test_what_is_undone_is_not_counted_and_what_is_deleted_no_more(database_url: str) -> None:
    with plain(database_url) as connection:
        _lives(connection, 4, range(20))
        with connection.transaction(force_rollback=True):
            _lives(connection, 5, range(20, 40))
        await _assert_lists_agree(database_url, FILTERS[:2])
        connection.execute(b"DELETE FROM laurel.listed_requests WHERE end_state = 'DECLINED'")
        assert connection.execute(_COUNTS).fetchall() == []
        ((left,),) = connection.execute(
            b"SELECT sum(requests) FROM laurel.listed_counts WHERE end_state = 'DECLINED'"
        ).fetchall()
        assert left == 0
