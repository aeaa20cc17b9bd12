"""The order of the outbox: whoever reads on behind the last row that it saw misses none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from domain.lifecycle import Outcome
from service.adapters.postgres.schema import upgrade
from tests.contract.stores import (
    WAY_TO_EVALUATED,
    Stores,
    announcement,
    claimed,
    following,
    on_postgres,
    promoted,
)
from tests.integration.postgres_admin import plain

MODEL = "price"
WRITERS = 6
RUNS = 6


@pytest.fixture
async def writers(database_url: str) -> AsyncIterator[list[Stores]]:
    """As many processes, each with connections of its own."""
    upgrade(database_url)
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(on_postgres(database_url, MODEL)) for _ in range(WRITERS)]


async def test_no_row_is_committed_behind_one_that_was_already_read(
    database_url: str, writers: list[Stores]
) -> None:
    """Transitions, reports and generations side by side, and a reader that never looks back."""
    done = asyncio.Event()
    reading = asyncio.create_task(asyncio.to_thread(read_on, database_url, done))
    await asyncio.gather(
        *(write_runs(stores) for stores in writers),
        *(write_reports(stores) for stores in writers),
        write_generations(writers[0]),
    )
    done.set()
    seen = await reading
    assert seen == [row.seq for row in await writers[0].outbox.unsent(10_000)]
    assert len(seen) == WRITERS * RUNS * (2 * len(WAY_TO_EVALUATED) + 5) + 20


async def test_a_run_is_announced_in_the_order_of_its_transitions(writers: list[Stores]) -> None:
    await asyncio.gather(*(write_runs(stores) for stores in writers))
    told: dict[str | None, list[str]] = {}
    for row in await writers[0].outbox.unsent(10_000):
        told.setdefault(row.run_id, []).append(row.announcement.topic)
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
