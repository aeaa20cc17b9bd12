"""What bars a candidate that the gate would promote: quarantine of its recipe or its model, or a hold."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from domain.hold import held
from domain.ports.bars import HoldReads, QuarantineReads
from domain.promotion_checks import Decision, Verdict
from domain.quarantine import Quarantine, Recipe, quarantined, same_recipe

Repeats = Callable[[Quarantine], Awaitable[bool]]


async def repeats_nothing(quarantine: Quarantine) -> bool:
    """Say so of a candidate that is compared with nothing."""
    del quarantine
    return False


@dataclass(frozen=True)
class PromotionBars:
    """Reads what stands at this moment; the ledger refuses what comes to stand before the promotion does."""

    holds: HoldReads
    quarantines: QuarantineReads

    async def examined(self, verdict: Verdict, recipe: Recipe | None, repeats: Repeats) -> Verdict:
        """The verdict, or QUARANTINED or HELD in the place of PROMOTE. `repeats` tells the same model."""
        if verdict.decision is not Decision.PROMOTE:
            return verdict
        active = await self.quarantines.active()
        if (same := same_recipe(recipe, active)) is not None:
            return quarantined(verdict, same, by_recipe=True)
        for one in active:
            if await repeats(one):
                return quarantined(verdict, one, by_recipe=False)
        return held(verdict, await self.holds.active())
