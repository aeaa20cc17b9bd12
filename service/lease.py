"""A lease that is kept while work goes on, and work that ends when the lease does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from domain.errors import LeaseLost, TryLater
from domain.points import Point
from domain.run import Run
from service.world import World

T = TypeVar("T")

# Renewed three times in its length, and given up while a fifth of it is left: what is killed then is gone
# before another worker may begin.
_RENEWALS = 3
_TRIES = 5  # while the store is away, so many times as often
_MARGIN = 0.2


Hold = Callable[[float | None], None]


async def under_lease(
    work: Coroutine[Any, Any, T], run: Run, world: World, lease_seconds: float, hold_until: Hold
) -> T:
    """Do the work while the lease is renewed beside it. Raises LeaseLost, the work then cancelled.

    `hold_until` is told until when children may work, on the monotonic clock.
    """
    working = asyncio.create_task(work)
    keeping = asyncio.create_task(_keep(run, world, lease_seconds, hold_until))
    try:
        await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise keeping.exception() or LeaseLost("lease_lost", "the lease was not kept")
    finally:
        for task in (working, keeping):
            task.cancel()
        await asyncio.gather(working, keeping, return_exceptions=True)
        hold_until(None)


async def _keep(run: Run, world: World, lease_seconds: float, hold_until: Hold) -> None:
    """Renew until cancelled. Raises LeaseLost while there is still time to stop what runs."""
    usual = pause = lease_seconds / _RENEWALS
    held_until = _hold(world.clock.monotonic(), lease_seconds, hold_until)
    while True:
        await world.clock.sleep(pause)
        await world.points.at(Point.LEASE_BEFORE_RENEW)
        asked = world.clock.monotonic()
        if asked >= held_until:
            raise _unanswered()
        try:
            async with asyncio.timeout(held_until - asked):
                await world.store.renew(run, lease_seconds)
        except TryLater:
            pause = min(usual / _TRIES, max(held_until - world.clock.monotonic(), 0.0))
        except TimeoutError:
            raise _unanswered() from None
        else:
            held_until, pause = _hold(asked, lease_seconds, hold_until), usual


def _hold(asked: float, lease_seconds: float, hold_until: Hold) -> float:
    """Say until when a lease that was asked for at that moment is safe to work under."""
    held_until = asked + (1 - _MARGIN) * lease_seconds
    hold_until(held_until)
    return held_until


def _unanswered() -> LeaseLost:
    return LeaseLost("lease_lost", "the run store did not answer before the lease ran out")
