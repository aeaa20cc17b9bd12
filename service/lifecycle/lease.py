"""A lease that is kept while work goes on, and work that ends when the lease does."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from domain.errors import LeaseLost, TryLater
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.run_store import RunStore
from domain.run import Run

T = TypeVar("T")

# Renewed three times in its length, and given up while a fifth of it is left: what is killed then is gone
# before another worker may begin.
_RENEWALS = 3
_TRIES = 5  # while the store is away, so many times as often
_MARGIN = 0.2


@dataclass(frozen=True)
class LeaseKeeper:
    """Keeps a run's lease. `hold_until` is told until when children may work, on the monotonic clock."""

    store: RunStore
    clock: Clock
    points: Points
    lease_seconds: float
    hold_until: Callable[[float | None], None]

    async def under_lease(self, work: Coroutine[Any, Any, T], run: Run) -> T:
        """Do the work while the lease is renewed beside it. Raises LeaseLost, the work then cancelled.

        A run that somebody cancels is lost within a moment.
        """
        working = asyncio.create_task(work)
        keeping = asyncio.create_task(self._keep(run))
        heeding = asyncio.create_task(self._heed_cancelling(run))
        tasks = (working, keeping, heeding)
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            raise done.pop().exception() or LeaseLost("lease_lost", "the lease was not kept")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.hold_until(None)

    async def _keep(self, run: Run) -> None:
        """Renew until cancelled. Raises LeaseLost while there is still time to stop what runs."""
        usual = pause = self.lease_seconds / _RENEWALS
        held_until = self._hold(self.clock.monotonic())
        while True:
            await self.clock.sleep(pause)
            await self.points.at(Point.LEASE_BEFORE_RENEW)
            asked = self.clock.monotonic()
            if asked >= held_until:
                raise _unanswered()
            try:
                async with asyncio.timeout(held_until - asked):
                    await self.store.renew(run, self.lease_seconds)
            except TryLater:
                pause = min(usual / _TRIES, max(held_until - self.clock.monotonic(), 0.0))
            except TimeoutError:
                raise _unanswered() from None
            else:
                held_until, pause = self._hold(asked), usual

    async def _heed_cancelling(self, run: Run) -> None:
        """Look at the lease as soon as any run was cancelled. Raises LeaseLost when it was this one."""
        seen = None
        while True:
            seen = await self.store.wait_for_cancelling(seen)
            with suppress(TryLater):
                await self.store.renew(run, self.lease_seconds)

    def _hold(self, asked: float) -> float:
        """Say until when a lease that was asked for at that moment is safe to work under."""
        held_until = asked + (1 - _MARGIN) * self.lease_seconds
        self.hold_until(held_until)
        return held_until


def _unanswered() -> LeaseLost:
    return LeaseLost("lease_lost", "the run store did not answer before the lease ran out")
