"""How a person's decision is shown to programs: by its page, and by its command with --json."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from domain.rollback import Refused, returned_to
from service.gateway.views import View
from service.promotion.promoting import PersonPromoted
from service.promotion.rollback import RollbackPlan, RolledBack


class PassedOverView(View):
    """A generation that was not chosen, or cannot be returned to."""

    generation: int = Field(description="The generation.")
    version: int = Field(description="Its version.")
    reason: str = Field(description="Why: a code for machines.")
    detail: str = Field(description="The same in a sentence for people.")


class RollbackView(View):
    """A rollback, or with `dry_run` what one would do."""

    model_name: str = Field(description="The registered model.")
    dry_run: bool = Field(description="True: nothing was changed.")
    repeated: bool = Field(description="True: an earlier command under this key made it.")
    generation: int = Field(description="The generation that it makes.")
    version: int = Field(description="The version that is champion by it.")
    returns_to: int | None = Field(description="The generation that it returns to.")
    previous_generation: int = Field(description="The generation that was the head.")
    previous_version: int | None = Field(description="The version that was champion.")
    left: tuple[int, ...] = Field(description="The generations that it leaves.")
    passed_over: tuple[PassedOverView, ...] = Field(description="Newer generations that were not chosen.")
    doubt: str | None = Field(description="What speaks against a generation that was named.")
    unchecked: str | None = Field(description="Why MLflow was not asked; null if it was.")
    reason: str | None = Field(description="Why, as the person said; null of a dry run.")
    actor: str | None = Field(description="Who did it; null of a dry run.")
    not_shown_yet: str | None = Field(description="Why alias and defaults do not show it yet.")

    @classmethod
    def of(cls, what: RollbackPlan | RolledBack) -> Self:
        """Show what would be done, or what was."""
        return cls.of_plan(what) if isinstance(what, RollbackPlan) else cls.of_done(what)

    @classmethod
    def of_plan(cls, plan: RollbackPlan) -> Self:
        """Show what would be done."""
        return cls(
            **_planned(plan),
            model_name=plan.head.model_name,
            dry_run=True,
            repeated=False,
            generation=plan.head.generation + 1,
            version=plan.target.version,
            returns_to=plan.target.generation,
            previous_generation=plan.head.generation,
            previous_version=plan.head.version,
            reason=None,
            actor=None,
            not_shown_yet=None,
        )

    @classmethod
    def of_done(cls, done: RolledBack) -> Self:
        """Show what was done, now or before under the same key."""
        entry = done.entry
        return cls(
            **_planned(done.plan),
            model_name=entry.model_name,
            dry_run=False,
            repeated=done.plan is None,
            generation=entry.generation,
            version=entry.version,
            returns_to=returned_to(entry),
            previous_generation=entry.generation - 1,
            previous_version=entry.previous_version,
            reason=entry.reasons[0],
            actor=entry.actor,
            not_shown_yet=done.unshown or None,
        )


class PromotionView(View):
    """A promotion in a person's name."""

    model_name: str = Field(description="The registered model.")
    repeated: bool = Field(description="True: an earlier command under this key made it.")
    generation: int = Field(description="The generation that it made.")
    version: int = Field(description="The version that is champion by it.")
    mlflow_run_id: str | None = Field(description="The MLflow run that made it.")
    previous_version: int | None = Field(description="The version that was champion.")
    reason: str = Field(description="Why, as the person said.")
    gate_said: str = Field(description="What the gate had said of the model.")
    actor: str = Field(description="Who did it.")
    not_shown_yet: str | None = Field(description="Why alias and defaults do not show it yet.")

    @classmethod
    def of(cls, done: PersonPromoted) -> Self:
        """Show what was done, now or before under the same key."""
        entry = done.entry
        return cls(
            model_name=entry.model_name,
            repeated=done.repeated,
            generation=entry.generation,
            version=entry.version,
            mlflow_run_id=entry.mlflow_run_id,
            previous_version=entry.previous_version,
            reason=entry.reasons[0],
            gate_said=entry.reasons[-1],
            actor=entry.actor,
            not_shown_yet=done.unshown or None,
        )


def _planned(plan: RollbackPlan | None) -> dict[str, object]:
    return {
        "left": tuple(entry.generation for entry in plan.left) if plan else (),
        "passed_over": _passed_over(plan.refused) if plan else (),
        "doubt": plan.doubt or None if plan else None,
        "unchecked": plan.unchecked or None if plan else None,
    }


def _passed_over(refused: Sequence[Refused]) -> tuple[PassedOverView, ...]:
    return tuple(
        PassedOverView(
            generation=one.entry.generation,
            version=one.entry.version,
            reason=one.obstacle.reason,
            detail=one.obstacle.detail,
        )
        for one in refused
    )
