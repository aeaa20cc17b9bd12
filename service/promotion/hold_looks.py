"""A worker's looks at the hold: one that is over is announced, and the metric shows one that stands."""

from typing import Final

from domain.ports.clock import Clock
from service.promotion.holding import PromotionHolding
from service.runtime.metrics import Metrics
from service.runtime.told_once import ToldOnce

_PAUSE_SECONDS: Final = 5.0


class HoldLooks:
    """Looks again and again. The hold itself ends by the database's clock, whoever looks."""

    def __init__(self, holding: PromotionHolding, metrics: Metrics, clock: Clock) -> None:
        self._holding = holding
        self._metrics = metrics
        self._clock = clock
        self._failures = ToldOnce("hold_not_read")

    async def run_forever(self) -> None:
        """Look, and then after every pause; a store that is away is looked at the next time."""
        while True:
            with self._failures.told():
                await self.look()
            await self._clock.sleep(_PAUSE_SECONDS)

    async def look(self) -> None:
        """Announce the end of a hold whose time has come, and show whether one stands."""
        self._metrics.set("laurel_hold", await self._holding.settle() is not None)
