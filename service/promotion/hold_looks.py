"""A worker's looks at the hold: one that is over is announced, and the metric shows one that stands."""

from dataclasses import dataclass

from service.promotion.holding import PromotionHolding
from service.runtime.metrics import Metrics


@dataclass(frozen=True)
class HoldLooks:
    """The hold itself ends by the database's clock, whoever looks."""

    holding: PromotionHolding
    metrics: Metrics

    async def look(self) -> None:
        """Announce the end of a hold whose time has come, and show whether one stands."""
        self.metrics.set("laurel_hold", await self.holding.settle() is not None)
