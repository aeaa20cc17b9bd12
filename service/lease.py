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
    pause = lease_seconds / _RENEWALS
    held_until = world.clock.monotonic() + lease_seconds
    hold_until(held_until - _MARGIN * lease_seconds)
    while True:
        await world.clock.sleep(pause)
        await world.points.at(Point.LEASE_BEFORE_RENEW)
        asked = world.clock.monotonic()
        left = held_until - asked - _MARGIN * lease_seconds
        try:
            async with asyncio.timeout(max(left, 0)):
                await world.store.renew(run, lease_seconds)
        except TryLater:
            if left < pause / _RENEWALS:
                raise LeaseLost(
                    "lease_lost", "the run store did not answer before the lease ran out"
                ) from None
            pause = min(pause, lease_seconds / _RENEWALS) / _RENEWALS
        except TimeoutError:
            raise LeaseLost("lease_lost", "the run store did not answer before the lease ran out") from None
        else:
            held_until, pause = asked + lease_seconds, lease_seconds / _RENEWALS
            hold_until(held_until - _MARGIN * lease_seconds)
