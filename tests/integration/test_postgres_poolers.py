"""Poolers between Laurel and PostgreSQL: one that keeps sessions serves, one that does not is refused."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from domain.errors import Stop, TryLater
from service.adapters.postgres import listener, sessions
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.session_lock import hold_worker_identity
from service.adapters.postgres.sessions import is_straight_session, require_sessions, sessions_to
from tests.harm.poolers import Mode, Pooler
from tests.harm.postgres_messages import message_of, one_number
from tests.integration.postgres_admin import ask, proxied
from tests.kit.eventually import eventually

SENTENCE = "a pooler in transaction mode: connect directly, or use session mode"
LIMITS = (
    "SELECT current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'), "
    "current_setting('TimeZone')"
)


def forged(message: bytes) -> bytes | None:
    """Tell every client that it has a server process of its own."""
    return one_number("pg_backend_pid", 4711) if b"pg_backend_pid" in message else None


TRANSACTION_MODES: Mapping[str, Mapping[str, Any]] = {
    "as usual": {},
    "in turn": {"in_turn": True, "warm": 2},
    "in turn among three": {"in_turn": True, "warm": 3},
    "with one server process": {"size": 1},
    "with the key of a server process": {"passes_keys": True},
    "with a forged answer": {"answered": forged},
    "in statement mode": {"mode": Mode.STATEMENT},
}


@pytest.fixture
def url(migrated_url: str) -> str:
    """The way straight to the server."""
    return migrated_url


@pytest.fixture
async def pooler(url: str) -> AsyncIterator[Pooler]:
    """One in session mode; a test may change its mode."""
    async with Pooler(url, Mode.SESSION) as pooler:
        yield pooler


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 0.5)


class TestProof:
    @pytest.mark.usefixtures("_impatient")
    @pytest.mark.parametrize("kind", TRANSACTION_MODES.values(), ids=TRANSACTION_MODES.keys())
    async def test_a_pooler_that_keeps_no_session_is_refused_however_it_hides_it(
        self, kind: Mapping[str, Any], url: str
    ) -> None:
        async with Pooler(url, **{"mode": Mode.TRANSACTION, **kind}) as pooler:
            with pytest.raises(Stop, match=SENTENCE) as refused:
                await require_sessions(pooler.url)
        assert refused.value.reason == "pooler_in_transaction_mode"

    async def test_a_pooler_that_keeps_sessions_is_told_from_a_straight_way(
        self, url: str, pooler: Pooler
    ) -> None:
        assert await require_sessions(url)
        assert not await require_sessions(pooler.url)

    async def test_a_proxy_that_carries_bytes_is_no_obstacle(self, url: str) -> None:
        async with proxied(url) as (proxy, through):
            assert not await require_sessions(through)
            assert proxy.requests

    async def test_a_straight_way_costs_one_statement_and_no_second_connection(self, url: str) -> None:
        async def never() -> Any:
            raise AssertionError("a second connection was opened")

        connection, _ = await sessions_to(url, application="t", statement_seconds=1).prove()
        async with connection:
            assert await is_straight_session(connection, never)
            (said,) = ask(
                url, "SELECT query FROM pg_stat_activity WHERE pid = %s", connection.info.backend_pid
            )
        assert said == ("SELECT pg_backend_pid(), inet_client_port()",)

    @pytest.mark.usefixtures("_impatient")
    async def test_a_pool_too_small_for_sessions_is_waited_for_and_not_taken_for_another_mode(
        self, url: str
    ) -> None:
        async with Pooler(url, Mode.SESSION, size=1) as small:
            with pytest.raises(TryLater, match="its pool may be too small") as away:
                await require_sessions(small.url)
        assert away.value.waiting_on == "postgres"

    @pytest.mark.usefixtures("_impatient")
    async def test_a_pool_that_is_refused_is_left_as_it_was(self, url: str) -> None:
        """Its server processes are those of other clients, too."""
        look = (
            "SELECT current_setting('statement_timeout'), count(*) FROM pg_locks WHERE pid = pg_backend_pid()"
        )
        async with Pooler(url, Mode.TRANSACTION, size=1) as pooler:
            before = await asyncio.to_thread(ask, pooler.url, look)
            with pytest.raises(Stop):
                await require_sessions(pooler.url)
            assert await asyncio.to_thread(ask, pooler.url, look) == before


class TestStartupParameters:
    async def test_one_that_a_pooler_refuses_is_named_with_the_way_out(self, pooler: Pooler) -> None:
        given = f"{pooler.url}?options=-c%20search_path%3Dsomewhere"
        async with open_database(given) as database:
            for asking in (require_sessions(given), database.ping(), PostgresOutbox(database, "m").unsent(1)):
                with pytest.raises(
                    Stop, match=r"'options'.*DATABASE_URL.*ignore_startup_parameters"
                ) as refused:
                    await asking
                assert refused.value.reason == "startup_parameter_refused"

    async def test_a_migration_names_it_too(self, pooler: Pooler) -> None:
        with pytest.raises(Stop, match="'options'"):
            await asyncio.to_thread(upgrade, f"{pooler.url}?options=-c%20search_path%3Dsomewhere")

    @pytest.mark.parametrize("way", ["straight", "pooled"])
    async def test_the_limits_of_a_session_hold_without_any(self, way: str, url: str, pooler: Pooler) -> None:
        async with open_database(pooler.url if way == "pooled" else url, timeout_seconds=4) as database:
            row = await database.row("look at the limits", text(LIMITS))
            alone = await database.connect_alone({"idle_session_timeout": "15000"})
            cursor = await alone.execute((LIMITS + ", current_setting('idle_session_timeout')").encode())
            (at_most,) = await cursor.fetchall()
        assert row is not None
        assert tuple(row.values()) == ("4s", "4s", "UTC")
        assert at_most == ("4s", "4s", "UTC", "15s")

    async def test_what_the_url_says_itself_stands(self, url: str) -> None:
        said = f"{url}?options=-c%20statement_timeout%3D1234%20--TimeZone%3DEurope/Riga"
        async with open_database(said, timeout_seconds=4) as database:
            row = await database.row("look at the limits", text(LIMITS))
        assert row is not None
        assert tuple(row.values()) == ("1234ms", "4s", "Europe/Riga")


class TestFailover:
    """A pooler in transaction mode appears under a process that runs."""

    async def test_the_relay_refuses_to_take_its_lock_there(self, pooler: Pooler) -> None:
        async with open_database(pooler.url) as database:
            outbox = PostgresOutbox(database, "failover")
            assert await outbox.try_to_be_the_relay()
            await _change_mode(pooler)
            assert not await outbox.try_to_be_the_relay()
            with pytest.raises(Stop, match=SENTENCE):
                await outbox.try_to_be_the_relay()

    async def test_a_worker_does_not_take_its_name_again(self, pooler: Pooler) -> None:
        async with (
            open_database(pooler.url) as database,
            hold_worker_identity(database, "host", check_seconds=0.05) as identity,
        ):
            await _change_mode(pooler)
            with pytest.raises(Stop, match=SENTENCE):
                await asyncio.wait_for(identity.keep(), 20)

    async def test_a_process_that_only_listens_says_so_at_each_call_until_it_is_over(
        self, pooler: Pooler
    ) -> None:
        async with open_database(pooler.url) as database:
            await _change_mode(pooler)

            async def refused() -> bool:
                return SENTENCE in await _why_not(database)

            assert await eventually(refused)
            pooler.mode = Mode.SESSION
            assert await eventually(partial(_answers, database))


async def _why_not(database: Database) -> str:
    try:
        await database.ping()
    except (Stop, TryLater) as error:
        return error.message
    return ""


async def _answers(database: Database) -> bool:
    return not await _why_not(database)


async def _change_mode(pooler: Pooler) -> None:
    pooler.mode = Mode.TRANSACTION
    await pooler.cut()


class TestSessions:
    """What stands on a session works through a pooler that keeps it."""

    async def test_a_lock_is_free_when_its_holder_has_gone(self, pooler: Pooler) -> None:
        """The server process lives on in the pool; the lock does not."""
        async with open_database(pooler.url) as one, open_database(pooler.url) as another:
            first, second = PostgresOutbox(one, "shared"), PostgresOutbox(another, "shared")
            assert await first.try_to_be_the_relay()
            assert not await second.try_to_be_the_relay()
            await first.close()
            assert await eventually(second.try_to_be_the_relay)

    async def test_statements_are_prepared_and_forgotten_with_their_client(self, pooler: Pooler) -> None:
        for _ in range(3):
            async with open_database(pooler.url) as database:
                outbox = PostgresOutbox(database, "prepared")
                for _ in range(12):
                    assert await outbox.unsent(1) == []

    async def test_a_call_that_is_given_up_ends_at_once_and_its_session_is_nobody_elses(
        self, pooler: Pooler, url: str
    ) -> None:
        async with open_database(pooler.url, timeout_seconds=30) as database:
            await database.ping()
            call = asyncio.create_task(database.rows("sleep", text("SELECT pg_sleep(20)")))
            asleep = "SELECT pid FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep' AND state = 'active'"
            ((pid,),) = await eventually(lambda: ask(url, asleep))
            call.cancel()
            done, _ = await asyncio.wait({call}, timeout=10)
            assert done
            for _ in range(10):
                (row,) = await database.rows("look", text("SELECT pg_backend_pid() AS pid"))
                assert row["pid"] != pid
        ask(url, "SELECT pg_terminate_backend(%s)", pid)

    async def test_whoever_cancels_cancels_his_own_statement(self, pooler: Pooler, url: str) -> None:
        connection = await psycopg.AsyncConnection.connect(
            pooler.url.replace("+psycopg", ""), autocommit=True
        )
        async with connection:
            sleeping = asyncio.create_task(connection.execute("SELECT pg_sleep(60)"))
            await eventually(
                lambda: ask(url, "SELECT pid FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep.60'")
            )
            await connection.cancel_safe()
            with pytest.raises(psycopg.errors.QueryCanceled):
                await sleeping


def never_answered(message: bytes) -> bytes | None:
    """Swallow LISTEN."""
    return b"" if b"LISTEN" in message else None


def answered_by_another(message: bytes) -> bytes | None:
    """Say that it was done, where nobody listens."""
    said = message_of(b"C", b"LISTEN\0") + message_of(b"Z", b"I")
    return said if message[:1] == b"Q" and b"LISTEN" in message else None


@pytest.mark.parametrize("answered", [never_answered, answered_by_another])
async def test_a_listener_that_does_not_listen_is_told_by_the_ping_until_it_does(
    answered: Callable[[bytes], bytes | None], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(listener, "_DEAF_SECONDS", 0.5)
    faults = [answered]
    deaf = Pooler(url, Mode.SESSION, answered=lambda message: faults[0](message) if faults else None)
    async with deaf as pooler, open_database(pooler.url) as database:

        async def told() -> bool:
            return "nobody has listened" in await _why_not(database)

        assert await eventually(told)
        assert await PostgresOutbox(database, "deaf").unsent(1) == [], "all else works"
        faults.clear()
        assert await eventually(partial(_answers, database))
