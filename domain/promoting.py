"""A person promotes a model: the entry that does it, beside what the gate had said."""

from collections.abc import Sequence
from datetime import datetime

from domain.decisions import CannotDecide
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.lifecycle import State
from domain.quarantine import Quarantine, Recipe, quarantine_of_version, same_recipe
from domain.run import Run
from domain.values import Sha256, Value, VersionTriple

NOT_JUDGED = "no gate has judged it"


class Chosen(Value):
    """A registered version that a person chose, and what is known of it."""

    version: int
    mlflow_run_id: str | None
    triple: VersionTriple | None
    model_digest: Sha256 | None
    gate_said: str


def gate_said(run: Run | None) -> str:
    """What the gate had said of a run's model, in one sentence."""
    decided = run.record.decided if run else None
    if decided is None:
        return NOT_JUDGED
    return f"the gate had said {decided.verdict.decision.value}: {decided.verdict.reasons[0]}"


def require_judged(run: Run) -> None:
    """Raise CannotDecide unless the gate has come to a verdict on the run's model, and it is whole."""
    if not run.ended:
        raise CannotDecide(
            "not_ended", f"run {run.run_id} is {run.state.value}: the gate decides on it within moments"
        )
    if run.record.pruned is not None:
        raise CannotDecide(
            "no_model",
            f"run {run.run_id} was {run.record.pruned}; train it again with `laurel retry {run.run_id}`",
        )
    if run.state not in {State.DECLINED, State.COMPLETED} or run.record.trained is None:
        why = run.failure.message if run.failure else "it made no model"
        raise CannotDecide(
            "no_model",
            f"run {run.run_id} ended {run.state.value} ({why}): it has no model that can be promoted",
        )


def require_not_quarantined(subject: int | Run, active: Sequence[Quarantine]) -> None:
    """Raise CannotDecide for a version that is quarantined, or a run of a quarantined recipe.

    A person who wants it lifts the quarantine first, and says why.
    """
    if isinstance(subject, int):
        found = quarantine_of_version(subject, active)
    else:
        found = same_recipe(_recipe_of(subject), active)
    if found is not None:
        raise CannotDecide("quarantined", f"nothing was changed: {found.told}; {found.way_out}")


def _recipe_of(run: Run) -> Recipe | None:
    split, triple = run.record.split, run.record.triple
    return Recipe(triple=triple, train_digest=split.train.sha256) if split and triple else None


def promotion_entry(
    head: LedgerEntry | None,
    chosen: Chosen,
    *,
    model_name: str,
    reason: str,
    actor: str,
    at: datetime,
    key: str,
) -> LedgerEntry:
    """Make the entry; appending it decides. `key` names the command, by which a repeat finds it."""
    return next_entry(
        model_name,
        head,
        version=chosen.version,
        cause=Cause.OVERRIDE,
        mlflow_run_id=chosen.mlflow_run_id if chosen.triple else None,
        triple=chosen.triple,
        reasons=(reason, chosen.gate_said),
        correlation_id=key,
        actor=actor,
        at=at,
        model_digest=chosen.model_digest,
    )
