"""What PostgreSQL refuses is not a request's fault, unless it is a value that cannot be stored."""

import pytest
from sqlalchemy import text

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from service.adapters.postgres.database import open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.run_store import PostgresRunStore
from tests.contract.stores import request
from tests.harm.poolers import Mode, Pooler
from tests.harm.postgres_messages import error_of, message_of


class Refusing:
    """Answers statements that hold `text` with an error, and passes over the rest up to Sync: as a server."""

    def __init__(self, text: bytes, error: bytes) -> None:
        self._text = text
        self._error = error
        self._passing_over = False

    def __call__(self, message: bytes) -> bytes | None:
        if self._passing_over:
            self._passing_over = message[:1] != b"S"
            return b"" if self._passing_over else message_of(b"Z", b"I")
        self._passing_over = message[:1] == b"P" and self._text in message
        return self._error if self._passing_over else None


@pytest.mark.parametrize(
    ("severity", "state", "file", "reaction"),
    [
        ("ERROR", "22P05", "mbutils.c", NeverRetry),  # a character that the database's encoding lacks
        ("ERROR", "54000", "nbtutils.c", NeverRetry),  # a row too large for an index
        ("ERROR", "54000", "varsup.c", TryLater),  # no numbers for transactions are left, until a vacuum
        ("ERROR", "54000", "multixact.c", TryLater),
        ("FATAL", "22023", "guc.c", TryLater),
        ("FATAL", "42501", "postinit.c", TryLater),
        ("FATAL", "25P04", "postgres.c", TryLater),
        ("ERROR", "42501", "aclchk.c", Stop),
        ("ERROR", "23514", "execMain.c", TryLater),  # somebody's constraint
        ("ERROR", "P0001", "pl_exec.c", TryLater),  # somebody's trigger
    ],
)
async def test_a_request_is_never_at_fault_for_the_state_of_the_server(
    severity: str, state: str, file: str, reaction: type[LaurelError], migrated_url: str
) -> None:
    refusing = Refusing(b"INSERT INTO laurel.runs", error_of(severity, state, "no", file))
    async with (
        Pooler(migrated_url, Mode.SESSION, answered=refusing) as pooler,
        open_database(pooler.url, timeout_seconds=20) as database,
    ):
        with pytest.raises(reaction):
            await PostgresRunStore(database).add(request("price"))


@pytest.mark.parametrize(
    "harm",
    [
        "EXECUTE 'DEALLOCATE ALL';",
        "FOR n IN 1..20 LOOP EXECUTE 'PREPARE _pg3_' || n || ' AS SELECT 1'; END LOOP;",
    ],
    ids=["26000", "42P05"],
)
async def test_prepared_statements_that_somebody_mixed_up_are_made_anew_on_another_connection(
    harm: str, migrated_url: str
) -> None:
    async with open_database(migrated_url) as database:
        outbox = PostgresOutbox(database, "mixed up")
        for _ in range(10):
            await outbox.unsent(1)
        await database.rows("mix up", text(f"DO $$ BEGIN {harm} END $$"))
        for _ in range(10):
            assert await outbox.unsent(1) == []
            assert await outbox.oldest_age_seconds() == 0
