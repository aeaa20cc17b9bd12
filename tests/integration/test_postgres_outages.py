"""PostgreSQL away, silent, refusing, restarted: named, in time, and no worker has to restart (C08, C09)."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import partial

import pytest

from domain.errors import LeaseLost, TryLater
from domain.lifecycle import Outcome
from domain.ports.run_store import Added
from service.adapters.postgres.database import open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.session_lock import hold_worker_identity
from service.local.servers import ports
from service.local.servers.databases import create_database
from tests.contract.stores import (
    LONG,
    SHORT,
    Stores,
    announcement,
    claim,
    claimed,
    on_postgres,
    request,
)
from tests.harm.proxies import hole, refuse
from tests.harm.wire_formats import postgres
from tests.integration.postgres_admin import as_user, ask, plain, proxied
from tests.kit.eventually import eventually
from tests.worlds.server_kinds import Database as Server
from tests.worlds.server_kinds import choose

MODEL = "price"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of our own, to be killed."""
    server = choose().postgres(tmp_path_factory.mktemp("outages"), ports.free_port())
    server.start()
    server.wait_ready()
    yield server
    server.stop()


@pytest.fixture
def url(server: Server) -> str:
    url = create_database(server.url("postgres"), f"outage_{uuid.uuid4().hex}")
    upgrade(url)
    return url


@pytest.fixture
async def stores(url: str) -> AsyncIterator[Stores]:
    async with on_postgres(url, MODEL) as stores:
        yield stores


async def restart(server: Server) -> None:
    """Kill it as a crash would, and start it again."""
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await asyncio.to_thread(server.wait_ready)


async def test_a_restart_between_two_calls_is_not_even_noticed(server: Server, stores: Stores) -> None:
    run = await claimed(stores, MODEL)
    for outcome in (Outcome.RESOLVED, Outcome.SPLIT, Outcome.VERSIONED):
        await restart(server)
        run = await stores.runs.advance(run, outcome, announcements=[announcement(MODEL)])
    assert len(await stores.outbox.unsent(10)) == 3


async def test_calls_during_a_restart_are_answered_truly_and_done_once(
    server: Server, stores: Stores, url: str
) -> None:
    """Whoever hears TryLater asks again; the same request is never stored twice, and none is lost."""

    async def store(identity: str) -> Added:
        while True:
            with suppress(TryLater):
                return await stores.runs.add(request(MODEL, identity))

    adding = [asyncio.create_task(store(str(number))) for number in range(200)]
    await restart(server)
    answers = await asyncio.gather(*adding)
    assert ask(url, "SELECT count(*), count(DISTINCT identity) FROM laurel.runs") == [(200, 200)]
    assert set(answers) <= {Added.NEW, Added.KNOWN}


async def test_a_database_that_is_down_is_named_and_works_again_when_it_is_back(
    server: Server, stores: Stores
) -> None:
    run = await claimed(stores, MODEL)
    await asyncio.to_thread(server.kill)
    try:
        for call in (
            stores.runs.add(request(MODEL)),
            stores.runs.claim(MODEL, "w", LONG),
            stores.runs.advance(run, Outcome.RESOLVED),
            stores.runs.wait_for_work(LONG),
            stores.outbox.unsent(1),
            stores.outbox.try_to_be_the_relay(),
            stores.ledger.head(MODEL),
        ):
            with pytest.raises(TryLater) as away:
                await call
            assert (away.value.reason, away.value.waiting_on) == ("postgres_unavailable", "postgres")
    finally:
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_ready)
    assert (await stores.runs.advance(run, Outcome.RESOLVED)).state == "RESOLVED"


async def test_sleepers_are_woken_by_what_is_committed_after_a_restart(
    server: Server, url: str, stores: Stores
) -> None:
    assert await stores.runs.claim(MODEL, "w", LONG) is None
    assert await stores.outbox.unsent(1) == []
    await restart(server)

    async def one_more_request(sleeper: "asyncio.Task[None]") -> bool:
        """The connection that listens comes back by itself; who slept through a request hears the next."""
        async with on_postgres(url, MODEL) as others:
            await others.runs.add(request(MODEL))
            await others.outbox.add(announcement(MODEL))
        return sleeper.done()

    for sleep in (stores.runs.wait_for_work, stores.outbox.wait_for_rows):
        await eventually(partial(one_more_request, asyncio.create_task(sleep(LONG))))


async def test_what_was_committed_while_nobody_listened_wakes_the_sleepers(url: str) -> None:
    async with (
        proxied(url) as (proxy, through),
        on_postgres(through, MODEL) as cut_off,
        on_postgres(url, MODEL) as others,
    ):
        await eventually(lambda: _listening(url, 2))
        sleepers = await eventually(lambda: _asleep(cut_off))
        await proxy.close_door()
        await eventually(lambda: _listening(url, 1))
        await others.runs.add(request(MODEL))
        await others.outbox.add(announcement(MODEL))
        await proxy.open_door()
        async with asyncio.timeout(20):
            await asyncio.gather(*sleepers)


async def test_a_listen_that_is_never_answered_is_given_up_and_said_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.adapters.postgres.listener._ANSWER_SECONDS", 0.3)
    async with proxied(url) as (proxy, through):
        silent = proxy.add(hole(postgres("listen"), times=1))
        async with on_postgres(through, MODEL):
            await eventually(lambda: silent.hits and _listening(url, 1))


async def _asleep(stores: Stores) -> "list[asyncio.Task[None]]":
    """A worker and a relay that sleep; none if one of them is still being woken."""
    assert await stores.runs.claim(MODEL, "w", LONG) is None
    assert await stores.outbox.unsent(1) == []
    sleeping = [
        asyncio.create_task(sleep(LONG)) for sleep in (stores.runs.wait_for_work, stores.outbox.wait_for_rows)
    ]
    done, _ = await asyncio.wait(sleeping, timeout=SHORT, return_when=asyncio.FIRST_COMPLETED)
    if not done:
        return sleeping
    for task in sleeping:
        task.cancel()
    return []


def _listening(url: str, sessions: int) -> bool:
    listening = "datname = current_database() AND query ~ 'listening_channels' AND pid <> pg_backend_pid()"
    return ask(url, f"SELECT count(*) FROM pg_stat_activity WHERE {listening}") == [(sessions,)]  # noqa: S608


async def test_the_relay_learns_that_it_lost_its_lock_in_a_restart(server: Server, url: str) -> None:
    async with on_postgres(url, MODEL) as stores, on_postgres(url, MODEL) as others:
        assert await stores.outbox.try_to_be_the_relay()
        assert not await others.outbox.try_to_be_the_relay()
        await restart(server)
        assert not await stores.outbox.try_to_be_the_relay()
        assert await others.outbox.try_to_be_the_relay()
        assert not await stores.outbox.try_to_be_the_relay()


async def test_a_worker_keeps_its_name_over_a_restart(server: Server, url: str) -> None:
    async with (
        open_database(url) as database,
        hold_worker_identity(database, "host") as identity,
    ):
        keeping = asyncio.create_task(identity.keep())
        await restart(server)
        await eventually(lambda: ask(url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"))
        async with hold_worker_identity(database, "host") as another:
            assert another.name == "host-2"
        assert not keeping.done()
        keeping.cancel()
        await asyncio.wait({keeping})


async def test_a_silent_server_is_given_up_in_time_and_its_connections_are_not_used_again(url: str) -> None:
    """What swallowed one connection may have swallowed the idle ones beside it."""
    async with proxied(url) as (proxy, through), open_database(through, timeout_seconds=1) as database:
        store = PostgresRunStore(database)

        async def side_by_side() -> set[int]:
            await asyncio.gather(*(store.add(request(MODEL)) for _ in range(4)))
            pids = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ~ '^INSERT'"
            return {pid for (pid,) in ask(url, pids)}

        before = await side_by_side()
        fault = proxy.add(hole(postgres("insert"), times=1))
        with pytest.raises(TryLater, match="no answer within 1 s"):
            await store.add(request(MODEL, "into the hole"))
        assert fault.hits
        assert not before & await side_by_side()
        assert await store.add(request(MODEL, "into the hole")) is Added.NEW


async def test_a_lease_that_cannot_be_renewed_is_lost_when_the_silence_ends(url: str) -> None:
    async with proxied(url) as (proxy, through), open_database(through, timeout_seconds=1) as database:
        store = PostgresRunStore(database)
        await store.add(request(MODEL))
        run = await store.claim(MODEL, "w", 1.5)
        assert run is not None
        fault = proxy.add(hole())
        with pytest.raises(TryLater):
            await store.renew(run, 1.5)
        proxy.clear()
        again = await eventually(lambda: store.claim(MODEL, "w", LONG))
        assert again is not None
        assert again.fence == 2
        with pytest.raises(LeaseLost):
            await store.advance(run, Outcome.RESOLVED)
        assert fault.hits


async def test_a_cancelled_call_ends_at_once_even_if_nothing_answers(url: str) -> None:
    async with proxied(url) as (proxy, through), open_database(through, timeout_seconds=LONG) as database:
        store = PostgresRunStore(database)
        await store.add(request(MODEL))
        fault = proxy.add(hole())
        call = asyncio.create_task(store.add(request(MODEL)))
        await eventually(lambda: fault.hits)
        call.cancel()
        done, _ = await asyncio.wait({call}, timeout=4)  # a driver that asks the server to cancel takes five
        assert done
        proxy.clear()
        assert await store.recent(MODEL, 10)


async def test_a_refused_connection_is_named(url: str) -> None:
    async with proxied(url) as (proxy, through), open_database(through) as database:
        fault = proxy.add(refuse())
        with pytest.raises(TryLater) as away:
            await database.ping()
        assert away.value.waiting_on == "postgres"
        assert fault.hits
        proxy.clear()
        await database.ping()


ONLY_READS = """
CREATE FUNCTION laurel.only_reads() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'cannot execute % in a read-only transaction', TG_OP USING ERRCODE = '25006';
END $$;
CREATE TRIGGER only_reads BEFORE INSERT OR UPDATE ON laurel.runs EXECUTE FUNCTION laurel.only_reads();
CREATE TRIGGER only_reads BEFORE INSERT OR UPDATE ON laurel.outbox EXECUTE FUNCTION laurel.only_reads();
"""


async def test_a_database_that_only_reads_is_waited_for(url: str, stores: Stores) -> None:
    """It says what a standby says. A mere default of the session would have been set back."""
    with plain(url) as connection:
        connection.execute(ONLY_READS.encode())
        for write in (
            stores.runs.add(request(MODEL)),
            stores.runs.claim(MODEL, "w", LONG),
            stores.outbox.add(announcement(MODEL)),
        ):
            with pytest.raises(TryLater, match="read-only transaction"):
                await write
        assert list(await stores.runs.recent(MODEL, 1)) == []
        connection.execute("DROP FUNCTION laurel.only_reads() CASCADE")
    assert await stores.runs.add(request(MODEL)) is Added.NEW
    assert (await claim(stores, MODEL)).fence == 1


async def test_a_database_out_of_slots_is_waited_for(url: str) -> None:
    user = f"crowd_{uuid.uuid4().hex[:8]}"
    ask(url, f"CREATE ROLE {user} LOGIN PASSWORD 's3cret' CONNECTION LIMIT 0")
    async with open_database(as_user(url, user, "s3cret")) as database:
        with pytest.raises(TryLater, match="too many connections"):
            await database.ping()


@pytest.mark.parametrize("user", ["laurel", "nobody"])
async def test_a_wrong_password_is_named_and_not_told(url: str, user: str) -> None:
    async with open_database(as_user(url, user, "s3cret")) as database:
        with pytest.raises(TryLater, match="authentication failed") as refused:
            await database.ping()
    assert "s3cret" not in repr(refused.value) + str(refused.value.facts)


async def test_a_process_starts_before_its_database_and_wakes_up_with_it(server: Server, url: str) -> None:
    await asyncio.to_thread(server.kill)
    async with open_database(url) as database:
        with pytest.raises(TryLater):
            await database.ping()
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait_ready)
        await database.ping()
        outbox = PostgresOutbox(database, MODEL)
        await outbox.add(announcement(MODEL))
        assert len(await outbox.unsent(1)) == 1
