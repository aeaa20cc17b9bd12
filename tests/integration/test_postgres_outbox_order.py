"""The order of the outbox: whoever reads on behind the last row that it saw misses none."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack

import pytest

from domain.lifecycle import Outcome
from service.adapters.postgres.database import open_database
from tests.contract.stores import (
    WAY_TO_EVALUATED,
    Stores,
    announcement,
    claimed,
    following,
    on_postgres,
    promoted,
    stores_on,
)
from tests.integration.postgres_admin import ask, plain
from tests.kit.eventually import eventually

MODEL = "price"
WRITERS = 6
RUNS = 4

Write = Callable[[Stores], Coroutine[None, None, None]]


async def report(stores: Stores) -> None:
    await stores.outbox.add(announcement(MODEL))


async def transition(stores: Stores) -> None:
    run = await claimed(stores, MODEL)
    await stores.runs.advance(run, Outcome.RESOLVED, announcements=[announcement(MODEL)])


async def generation(stores: Stores) -> None:
    """A model of its own: the ledger itself lets only one promoter of a model go on."""
    model = f"{MODEL} {uuid.uuid4()}"
    entry = following(None, model)
    await stores.ledger.append(entry)
    await stores.ledger.announce(entry, promoted(entry))


WRITES: dict[str, Write] = {"report": report, "transition": transition, "generation": generation}


@pytest.fixture
def migrated_url(database_url: str) -> str:
    return database_url


@pytest.fixture
async def writers(migrated_url: str) -> AsyncIterator[list[Stores]]:
    """As many processes, each with connections of its own."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(on_postgres(migrated_url, MODEL)) for _ in range(WRITERS)]


@pytest.mark.parametrize("first", WRITES.values(), ids=WRITES.keys())
@pytest.mark.parametrize("second", WRITES.values(), ids=WRITES.keys())
async def test_a_row_waits_for_the_commit_of_the_one_that_has_the_number_before(
    migrated_url: str, first: Write, second: Write
) -> None:
    """The first has its number and is not committed yet: whoever comes second is not to be seen before it."""
    async with open_database(migrated_url) as one, on_postgres(migrated_url, MODEL) as another:
        async with one.stage() as stage:
            await first(stores_on(stage, MODEL))
            writing = asyncio.create_task(second(another))
            waits = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            await eventually(lambda: writing.done() or ask(migrated_url, waits))
            assert not writing.done()
            assert ask(migrated_url, "SELECT seq FROM laurel.outbox") == []
            await stage._connection.commit()  # type: ignore[attr-defined]
        await writing
    assert ask(migrated_url, "SELECT seq FROM laurel.outbox ORDER BY created_at") == [(1,), (2,)]


async def test_a_follower_that_never_looks_back_misses_no_row(
    migrated_url: str, writers: list[Stores]
) -> None:
    """Transitions, reports and generations side by side."""
    done = asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(read_on, migrated_url, done))
    await asyncio.gather(
        *(write_runs(stores) for stores in writers),
        *(write_reports(stores) for stores in writers),
        write_generations(writers[0]),
    )
    done.set()
    seen = await reading
    rows = await writers[0].outbox.unsent(10_000)
    assert seen == [row.seq for row in rows]
    assert len(seen) == WRITERS * RUNS * (2 * len(WAY_TO_EVALUATED) + 5) + 20
    told: dict[str | None, list[str]] = {}
    for row in rows:
        told.setdefault(row.run_id, []).append(row.announcement.topic)
    del told[None]  # reports and generations
    expected = [f"{outcome} {number}" for outcome in WAY_TO_EVALUATED for number in (1, 2)]
    assert list(told.values()) == [expected] * (WRITERS * RUNS)


async def write_runs(stores: Stores) -> None:
    for _ in range(RUNS):
        run = await claimed(stores, MODEL)
        for outcome in WAY_TO_EVALUATED:
            told = [announcement(MODEL, f"{outcome} {number}") for number in (1, 2)]
            run = await stores.runs.advance(run, outcome, announcements=told)
        await stores.runs.advance(run, Outcome.LOST)


async def write_reports(stores: Stores) -> None:
    for _ in range(RUNS * 5):
        await stores.outbox.add(announcement(MODEL))


async def write_generations(stores: Stores) -> None:
    entry = None
    for version in range(1, 21):
        entry = following(entry, MODEL, version=version)
        await stores.ledger.append(entry)
        await stores.ledger.announce(entry, promoted(entry))


def read_on(url: str, done: asyncio.Event) -> list[int]:
    """Read as a follower does, from behind the last row, until all is written."""
    seen = [0]
    with plain(url) as connection:
        while True:
            last_round = done.is_set()
            rows = connection.execute(
                "SELECT seq FROM laurel.outbox WHERE seq > %s ORDER BY seq", (seen[-1],)
            ).fetchall()
            seen.extend(seq for (seq,) in rows)
            if last_round:
                return seen[1:]
