"""What the gate leaves out: quarantines of a rollback, and a person who lifts them."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.bar_announcement import quarantine_ended
from domain.errors import NeverRetry
from domain.hold import reason_given
from domain.ledger import LedgerEntry
from domain.points import NO_POINTS, Point, Points
from domain.ports.bars import Quarantines
from domain.ports.clock import Clock
from domain.ports.run_store import RunStore
from domain.quarantine import CannotLift, Lift, Quarantine, Recipe, quarantines_by
from domain.run_actions import Actor
from service.promotion.champion_run import origin_of
from service.promotion.holding import request_id_of
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)


@dataclass(frozen=True)
class Lifting:
    """Lifts quarantines in the run store; Kafka and MLflow need not answer."""

    model_name: str
    quarantines: Quarantines
    clock: Clock
    points: Points = NO_POINTS

    async def lift(self, generation: int, reason: str, actor: Actor, key: str | None = None) -> Quarantine:
        """Let the gate promote a generation's model, and its recipe, again. Safe to repeat under `key`.

        Raises CannotLift `not_quarantined` with what is, NeverRetry for what cannot be a reason, TryLater
        when the store does not answer.
        """
        lift_id, text = request_id_of(self.model_name, actor, key), reason_given(reason)
        known = await self.quarantines.lifted_by(lift_id)
        if known is not None:
            return self._repeated(known, generation)
        active = await self.quarantines.active()
        found = next((one for one in active if one.generation == generation), None)
        lift = Lift(lift_id=lift_id, reason=text, actor=actor, at=self.clock.now())
        lifted = None if found is None else await self._lifted(found, lift)
        if lifted is None:
            raise self._not_quarantined(generation, active)
        return lifted

    async def _lifted(self, quarantine: Quarantine, lift: Lift) -> Quarantine | None:
        await self.points.at(Point.LIFT_BEFORE_COMMIT)
        announcement = quarantine_ended(quarantine, lift)
        lifted = await self.quarantines.lift(quarantine.generation, lift, announcement)
        await self.points.at(Point.LIFT_AFTER_COMMIT)
        if lifted is not None:
            log.info("quarantine_lifted", message=lifted.told, reason=lift.reason, by=lift.actor.told)
        return lifted

    def _repeated(self, known: Quarantine, generation: int) -> Quarantine:
        if known.generation != generation:
            raise NeverRetry("id_conflict", f"that id lifted the quarantine of generation {known.generation}")
        return known

    def _not_quarantined(self, generation: int, active: Sequence[Quarantine]) -> CannotLift:
        listed = ", ".join(str(one.generation) for one in active) or "none"
        message = f"generation {generation} of {self.model_name} is not quarantined; those that are: {listed}"
        return CannotLift("not_quarantined", message)


async def quarantines_of(
    rollback: LedgerEntry, rolled_away: Sequence[LedgerEntry], store: RunStore
) -> tuple[Quarantine, ...]:
    """What a rollback quarantines, with the recipes that the run store knows. Raises TryLater."""
    recipes = {entry.generation: recipe for entry in rolled_away if (recipe := await recipe_of(entry, store))}
    return quarantines_by(rollback, rolled_away, recipes)


async def recipe_of(entry: LedgerEntry, store: RunStore) -> Recipe | None:
    """What made a generation; None where our run store knows of no run. Raises TryLater."""
    origin = await origin_of(entry, store)
    return None if origin is None else Recipe(triple=origin.triple, train_digest=origin.train.sha256)
