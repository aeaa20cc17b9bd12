"""A command looks into the run store over one session: it sees what the stores see, and waits for nobody."""

import asyncio

import pytest

from domain.errors import NeverRetry, Stop, TryLater
from domain.lifecycle import Outcome
from service.adapters.postgres.ledger_reads import PostgresLedgerReads
from service.adapters.postgres.one_session import OneSession, open_one_session
from service.adapters.postgres.run_reads import PostgresRunReads
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.schema_version import require_current_schema
from service.adapters.postgres.told_events import PostgresToldEvents
from service.adapters.postgres.workers import PostgresWorkers
from service.local.servers import ports
from tests.contract.stores import announcement, claimed, following, on_postgres
from tests.integration.postgres_admin import ask, plain

MODEL = "price"


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


async def process_of(session: OneSession) -> object:
    """Which of the server's processes answers."""
    row = await session.row("ask for the process", "SELECT pg_backend_pid() AS pid")
    return row and row["pid"]


async def test_a_look_sees_what_the_stores_see(url: str) -> None:
    told = announcement(MODEL)
    async with on_postgres(url, MODEL) as stores, open_one_session(url, application="t") as session:
        run = await claimed(stores, MODEL)
        await stores.runs.advance(run, Outcome.RESOLVED, output={"triple": None}, announcements=[told])
        await stores.ledger.append(following(None, MODEL))
        runs, ledger, workers = (
            PostgresRunReads(session),
            PostgresLedgerReads(session),
            PostgresWorkers(session),
        )

        assert await runs.recent(MODEL, 5) == await stores.runs.recent(MODEL, 5) != []
        assert await runs.search(run.run_id[:8]) == await stores.runs.search(run.run_id[:8]) != []
        assert await runs.find(run.identity) == await stores.runs.find(run.identity) != []
        assert await runs.get(run.run_id) == await stores.runs.get(run.run_id) is not None
        assert await runs.history(run.run_id) == await stores.runs.history(run.run_id) != []
        assert await ledger.entries(MODEL) == await stores.ledger.entries(MODEL) != []
        assert await ledger.head(MODEL) == await stores.ledger.head(MODEL) is not None
        assert await ledger.identity() == await stores.ledger.identity()
        assert await ledger.highest(MODEL) == await stores.ledger.highest(MODEL) == 1
        assert await PostgresToldEvents(session, MODEL).told([told.event_id]) == [told]
        assert (await workers.waiting(MODEL)).holders == (await stores.workers.waiting(MODEL)).holders != ()


async def test_runs_are_read_by_state_and_without_an_end(url: str) -> None:
    async with on_postgres(url, MODEL) as stores, open_one_session(url, application="t") as session:
        run = await claimed(stores, MODEL)
        runs = PostgresRunReads(session)
        assert [one.run_id for one in await runs.recent(MODEL, 5, (run.state,), unfinished=True)] == [
            run.run_id
        ]
        await stores.runs.advance(run, Outcome.REFUSED)
        assert not await runs.recent(MODEL, 5, (run.state,))
        assert not await runs.recent(MODEL, 5, unfinished=True)


async def test_a_session_that_the_server_ended_is_opened_again(url: str) -> None:
    async with open_one_session(url, application="t") as session:
        first = await process_of(session)
        ask(url, "SELECT pg_terminate_backend(%s, 5000)", first)
        assert await process_of(session) not in {first, None}


async def test_what_takes_too_long_is_given_up_and_the_next_question_is_answered(url: str) -> None:
    async with open_one_session(url, application="t", timeout_seconds=3.0) as session:
        with pytest.raises(TryLater) as away:
            await session.rows("sleep", "SELECT pg_sleep(60)")
        assert away.value.reason == "postgres_unavailable"
        assert await process_of(session) is not None


async def test_questions_that_come_together_share_the_session(url: str) -> None:
    async with open_one_session(url, application="t") as session:
        assert len(set(await asyncio.gather(*(process_of(session) for _ in range(10))))) == 1


async def test_the_time_is_the_databases(url: str) -> None:
    async with open_one_session(url, application="t") as session:
        row = await session.row("ask for the time", "SELECT clock_timestamp() AS at")
        assert row is not None
        assert abs((session.clock.now() - row["at"]).total_seconds()) < 60


async def test_a_text_that_no_database_can_hold_is_refused(url: str) -> None:
    async with open_one_session(url, application="t") as session:
        with pytest.raises(NeverRetry) as refused:
            await session.rows("ask", "SELECT %(text)s::text", {"text": "\ud800"})
        assert refused.value.reason == "not_storable"


async def test_a_schema_of_another_version_is_refused_by_name(empty_database_url: str) -> None:
    async with open_one_session(empty_database_url, application="t") as session:
        with pytest.raises(Stop, match="laurel db upgrade") as older:
            await require_current_schema(session)
        upgrade(empty_database_url)
        await require_current_schema(session)
        with plain(empty_database_url) as connection:
            connection.execute("UPDATE laurel.alembic_version SET version_num = '0999'")
        with pytest.raises(Stop, match="version 0999") as newer:
            await require_current_schema(session)
    assert (older.value.reason, newer.value.reason) == ("schema_older", "schema_newer")


async def test_a_database_that_is_away_is_named_without_its_password() -> None:
    url = f"postgresql://laurel:s3cret@127.0.0.1:{ports.free_port()}/laurel"
    with pytest.raises(TryLater) as away:
        async with open_one_session(url, application="t"):
            pass
    assert away.value.waiting_on == "postgres"
    assert "s3cret" not in str(away.value)
