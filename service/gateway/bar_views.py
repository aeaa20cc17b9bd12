"""How holds and quarantines are shown to programs: by their pages, and by the commands with --json."""

from datetime import datetime
from typing import Self

from pydantic import Field

from domain.hold import PromotionHold
from domain.quarantine import Quarantine
from domain.values import VersionTriple
from service.gateway.views import View


class HoldView(View):
    """One hold, with its end if it has one."""

    hold_id: str = Field(description="The hold's id.")
    model_name: str = Field(description="The registered model.")
    reason: str = Field(description="Why, as the person said.")
    actor: str = Field(description="Who holds: a token's name, or a user of a machine.")
    door: str = Field(description="How the person came in.")
    proven: bool = Field(description="True: by a credential. False: a machine said so of its user.")
    held_at: datetime = Field(description="Since when.")
    until: datetime | None = Field(description="When it ends by itself; null: at a release.")
    released_at: datetime | None = Field(description="When it was over; null while nobody has ended it.")
    released_by: str | None = Field(description="Who ended it; null of one that ended at its time.")
    release_reason: str | None = Field(description="Why it was ended, if somebody said so.")

    @classmethod
    def of(cls, hold: PromotionHold) -> Self:
        """Show a hold."""
        ending = hold.ending
        return cls(
            hold_id=hold.hold_id,
            model_name=hold.model_name,
            reason=hold.reason,
            actor=hold.actor.name,
            door=hold.actor.door,
            proven=hold.actor.proven,
            held_at=hold.at,
            until=hold.until,
            released_at=ending.at if ending else None,
            released_by=ending.actor.name if ending and ending.actor else None,
            release_reason=ending.reason if ending else None,
        )


class HoldsView(View):
    """Whether promotions are held, and the newest holds."""

    model_name: str = Field(description="The model of this API.")
    active: HoldView | None = Field(description="The hold that stands now; null: promotions are not held.")
    holds: tuple[HoldView, ...] = Field(description="The newest ones, ended ones too, newest first.")


class QuarantineView(View):
    """One generation that a rollback left, and how that was lifted if it was."""

    model_name: str = Field(description="The registered model.")
    generation: int = Field(description="The generation that was rolled back from.")
    version: int = Field(description="Its version in the registry.")
    run_id: str | None = Field(description="The run that made it; null of one that no gate has promoted.")
    by_generation: int = Field(description="The rollback's own generation.")
    versions: VersionTriple | None = Field(
        description="The versions of its recipe, if a run of ours made it."
    )
    train_digest: str | None = Field(description="The sha256 of its training data, likewise.")
    reason: str = Field(description="Why it was rolled back from.")
    actor: str = Field(description="Who did.")
    quarantined_at: datetime = Field(description="Since when.")
    lifted_at: datetime | None = Field(description="When that was lifted; null while it stands.")
    lifted_by: str | None = Field(description="Who lifted it.")
    lift_reason: str | None = Field(description="Why it was lifted.")

    @classmethod
    def of(cls, quarantine: Quarantine) -> Self:
        """Show a quarantine."""
        recipe, lift = quarantine.recipe, quarantine.lift
        return cls(
            model_name=quarantine.model_name,
            generation=quarantine.generation,
            version=quarantine.version,
            run_id=quarantine.run_id,
            by_generation=quarantine.by_generation,
            versions=recipe.triple if recipe else None,
            train_digest=recipe.train_digest if recipe else None,
            reason=quarantine.reason,
            actor=quarantine.actor,
            quarantined_at=quarantine.at,
            lifted_at=lift.at if lift else None,
            lifted_by=lift.actor.name if lift else None,
            lift_reason=lift.reason if lift else None,
        )


class QuarantinesView(View):
    """What the gate does not promote again."""

    model_name: str = Field(description="The model of this API.")
    quarantines: tuple[QuarantineView, ...] = Field(description="Newest first.")
