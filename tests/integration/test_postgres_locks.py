"""Locks that belong to a living process: the relay's, and a worker's name."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from domain.errors import Stop
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.session_lock import SessionLock, WorkerIdentity, hold_worker_identity
from tests.integration.postgres_admin import ask
from tests.integration.postgres_lock_holder import RELAY_IDLE_SECONDS
from tests.kit.eventually import eventually
from tests.kit.warm_starts import WarmProcess
from tests.worlds.warm import STARTS


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as database:
        yield database


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock."""

    process: WarmProcess
    stdout: asyncio.StreamReader

    async def said(self) -> str:
        """What it says next that it holds."""
        return (await asyncio.wait_for(self.stdout.readline(), 30)).decode().strip()


@asynccontextmanager
async def holder(url: str, kind: str) -> AsyncIterator[tuple[Holder, str]]:
    """Start one, and hear what it holds."""
    ours, theirs = socket.socketpair()
    with theirs:
        module, words = "tests.integration.postgres_lock_holder", (url, kind)
        process = STARTS.nursery().module(module, words, {}, theirs.fileno())
    stdout, writer = await asyncio.open_connection(sock=ours)
    started = Holder(process, stdout)
    try:
        yield started, await started.said()
    finally:
        process.kill()
        await process.wait()
        writer.close()


class TestRelay:
    @pytest.fixture
    def outbox(self, database: Database) -> PostgresOutbox:
        return PostgresOutbox(database, "price", relay_idle_seconds=RELAY_IDLE_SECONDS)

    async def test_another_process_takes_over_when_the_relay_dies(
        self, database_url: str, outbox: PostgresOutbox
    ) -> None:
        async with holder(database_url, "relay") as (relay, held):
            assert held == "holds"
            assert not await outbox.try_to_be_the_relay()
            relay.process.kill()
            assert await eventually(outbox.try_to_be_the_relay)

    async def test_a_relay_that_hangs_loses_the_lock_and_is_told_when_it_wakes_up(
        self, database_url: str, outbox: PostgresOutbox
    ) -> None:
        async with holder(database_url, "relay") as (relay, _):
            relay.process.send_signal(signal.SIGSTOP)
            assert await eventually(outbox.try_to_be_the_relay)
            relay.process.send_signal(signal.SIGCONT)
            assert await relay.said() == "lost"
            assert await outbox.try_to_be_the_relay()

    async def test_a_relay_that_asks_again_and_again_keeps_the_lock(
        self, database_url: str, outbox: PostgresOutbox
    ) -> None:
        async with holder(database_url, "relay"):
            idle = "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND "
            long = f"clock_timestamp() - backend_start > interval '{2 * RELAY_IDLE_SECONDS} s'"
            await eventually(lambda: ask(database_url, idle + long))
            assert not await outbox.try_to_be_the_relay()

    async def test_each_model_has_a_relay_of_its_own(
        self, database: Database, outbox: PostgresOutbox
    ) -> None:
        another = PostgresOutbox(database, "another model")
        assert await outbox.try_to_be_the_relay()
        assert await another.try_to_be_the_relay()

    async def test_a_relay_that_ends_lets_the_next_one_in_at_once(
        self, database: Database, outbox: PostgresOutbox
    ) -> None:
        another = PostgresOutbox(database, "price")
        assert await outbox.try_to_be_the_relay()
        await outbox.close()
        assert await another.try_to_be_the_relay()


class TestWorkerIdentity:
    async def test_living_workers_of_one_host_have_names_of_their_own(self, database: Database) -> None:
        async with AsyncExitStack() as living:
            names = [
                (await living.enter_async_context(hold_worker_identity(database, "host"))).name
                for _ in range(3)
            ]
        assert names == ["host", "host-2", "host-3"]

    async def test_a_name_is_free_as_soon_as_its_worker_is_gone(self, database: Database) -> None:
        async with hold_worker_identity(database, "host"):
            async with hold_worker_identity(database, "host") as second:
                assert second.name == "host-2"
            async with hold_worker_identity(database, "host") as third:
                assert third.name == "host-2"

    async def test_a_worker_that_was_killed_gets_its_name_back_when_it_is_started_again(
        self, database_url: str
    ) -> None:
        async with (
            holder(database_url, "worker") as (first, name),
            holder(database_url, "worker") as (_, second),
        ):
            assert (name, second) == ("host", "host-2")
            first.process.kill()
            await first.process.wait()
            async with holder(database_url, "worker") as (_, again):
                assert again == "host"

    async def test_a_stopped_worker_still_has_its_name(self, database: Database, database_url: str) -> None:
        async with holder(database_url, "worker") as (worker, _):
            worker.process.send_signal(signal.SIGSTOP)
            async with hold_worker_identity(database, "host") as another:
                assert another.name == "host-2"

    async def test_a_worker_whose_name_was_taken_while_it_was_cut_off_stops(
        self, database: Database, database_url: str
    ) -> None:
        async with hold_worker_identity(database, "host", check_seconds=0.05) as identity:
            await self._cut_off(identity, database_url)
            async with hold_worker_identity(database, "host") as usurper:
                assert usurper.name == "host"
                with pytest.raises(Stop, match="another worker runs as 'host'"):
                    await asyncio.wait_for(identity.keep(), 20)

    async def test_a_worker_that_was_cut_off_takes_its_name_again(
        self, database: Database, database_url: str
    ) -> None:
        async with hold_worker_identity(database, "host", check_seconds=0.05) as identity:
            await self._cut_off(identity, database_url)
            keeping = asyncio.create_task(identity.keep())
            rival = SessionLock(database)
            await eventually(lambda: ask(database_url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"))
            assert not await rival.take("laurel/worker/host")
            assert not keeping.done()
            keeping.cancel()
            await asyncio.wait({keeping})

    async def _cut_off(self, identity: WorkerIdentity, url: str) -> None:
        """End the session that holds the name, as a restart of the server does."""
        assert identity.name == "host"
        ending = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND database = "
            "(SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        assert ask(url, ending) == [(True,)]
