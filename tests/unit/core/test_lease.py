"""A lease is renewed while work goes on, and what cannot be renewed is stopped before another may begin."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from domain.errors import LeaseLost, TryLater
from domain.run import Run
from service.lifecycle.lease import LeaseKeeper
from tests.harm.fake_time import settle
from tests.kit.builders import MODEL
from tests.worlds.stage import LEASE, Stage

AWAY = TryLater("postgres_unavailable", "gone", waiting_on="postgres")


def keeper(stage: Stage, lease_seconds: float) -> LeaseKeeper:
    return LeaseKeeper(stage.store, stage.clock, stage.points, lease_seconds, stage.held.append)


class Held:
    """A claimed run, and work under its lease that lasts until `done` is set."""

    def __init__(self, stage: Stage, run: Run) -> None:
        self.stage, self.run = stage, run
        self.done = asyncio.Event()
        self.stopped_at: float | None = None
        self.task = asyncio.ensure_future(self.under(self._work()))

    def under(self, work: Coroutine[Any, Any, str]) -> Coroutine[Any, Any, str]:
        return keeper(self.stage, LEASE).under_lease(work, self.run)

    async def _work(self) -> str:
        try:
            await self.done.wait()
        except asyncio.CancelledError:
            self.stopped_at = self.stage.clock.monotonic()
            raise
        return "done"


@pytest.fixture
async def held(stage: Stage) -> Held:
    await stage.ask()
    run = await stage.store.claim(MODEL, "worker-1", LEASE)
    assert run is not None
    return Held(stage, run)


async def test_the_result_comes_through_and_children_are_released(held: Held, stage: Stage) -> None:
    held.done.set()
    assert await held.task == "done"
    assert stage.held[-1] is None


async def test_an_error_of_the_work_comes_through(held: Held, stage: Stage) -> None:
    async def fails() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await held.under(fails())
    assert stage.held[-1] is None
    held.done.set()
    await held.task


async def test_a_lease_lives_as_long_as_the_work(held: Held, stage: Stage) -> None:
    await stage.clock.advance(20 * LEASE)
    assert await stage.store.claim(MODEL, "worker-2", LEASE) is None
    assert stage.script.calls["renew"] == 60
    held.done.set()
    assert await held.task == "done"


async def test_children_are_told_a_moment_before_the_lease_ends(held: Held, stage: Stage) -> None:
    await settle()
    assert stage.held == [pytest.approx(0.8 * LEASE)]
    await stage.clock.advance(LEASE / 3)
    assert stage.held[-1] == pytest.approx((1 / 3 + 0.8) * LEASE)
    held.done.set()
    await held.task


async def test_a_short_outage_of_the_store_is_survived(held: Held, stage: Stage) -> None:
    stage.script.errors["renew"] = [AWAY] * 3
    await stage.clock.advance(3 * LEASE)
    held.done.set()
    assert await held.task == "done"


async def test_an_unrenewed_lease_stops_the_work_while_it_is_still_held(held: Held, stage: Stage) -> None:
    """C12: what is killed is gone before another worker may begin."""
    stage.script.always["renew"] = AWAY
    await stage.clock.advance(LEASE)
    with pytest.raises(LeaseLost):
        await held.task
    assert held.stopped_at == pytest.approx(0.8 * LEASE)
    assert stage.script.calls["renew"] < 12


async def test_a_store_that_never_answers_stops_the_work_too(held: Held, stage: Stage) -> None:
    stage.script.gates["renew"] = asyncio.Event()
    held.done.clear()
    await settle()
    held.task.cancel()
    brief = keeper(stage, 0.05).under_lease(held.done.wait(), held.run)
    task = asyncio.ensure_future(brief)
    await stage.clock.advance(0.02)
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(task, 5)


async def test_a_lease_that_another_took_over_stops_the_work(held: Held, stage: Stage) -> None:
    stage.script.errors["renew"] = [LeaseLost("lease_lost", "another owns it")]
    await stage.clock.advance(LEASE / 3)
    with pytest.raises(LeaseLost):
        await held.task
    assert held.stopped_at is not None


async def test_cancelling_from_outside_cancels_the_work(held: Held) -> None:
    await settle()
    held.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.task
    assert held.stopped_at is not None
