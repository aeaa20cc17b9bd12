"""What a person may do with a run: cancel it before its verdict, or ask again once it has ended."""

from typing import Final

from domain.errors import NeverRetry
from domain.lifecycle import CANCELLABLE, State
from domain.request import LONGEST_REASON
from domain.run import Failure, Run
from domain.values import Value

CANCELLED: Final = "cancelled"


class Actor(Value):
    """Who acts, through which `door`; `proven`: by a credential, not by what a machine says of its user."""

    name: str
    door: str
    proven: bool

    @property
    def told(self) -> str:
        """Name the actor in a sentence."""
        return f"{self.name} ({self.door}{'' if self.proven else ', not proven'})"


class CannotCancel(NeverRetry):
    """The run is too far, or has ended otherwise."""


def cancellation(actor: Actor, reason: str | None) -> Failure:
    """Say why a run ends that could have gone on."""
    text = (reason or "").strip()[:LONGEST_REASON]
    return Failure(
        reason=CANCELLED,
        message=f"cancelled by {actor.told}: {text or 'no reason was given'}",
        facts={"by": actor.name, "door": actor.door, "proven": actor.proven, "reason": text or None},
    )


def was_cancelled(run: Run) -> bool:
    """True for a run that ended so."""
    return run.state is State.FAILED and run.failure is not None and run.failure.reason == CANCELLED


def require_cancellable(run: Run) -> None:
    """Raise CannotCancel `has_ended` or `too_late`."""
    if run.ended:
        raise CannotCancel(
            "has_ended", f"run {run.run_id} has ended {run.state.value}: there is nothing to cancel"
        )
    if run.state not in CANCELLABLE:
        raise CannotCancel(
            "too_late",
            f"run {run.run_id} is {run.state.value}: a run can be cancelled before it is EVALUATED; its "
            "verdict comes within moments",
        )


# Of the old request alone; `retry_of` is of the new one.
_OF_THE_OLD: Final = frozenset({"request_id", "requested_by", "retry_of"})


class CannotRetry(NeverRetry):
    """The run goes on."""


def retry_payload(run: Run, asked_by: str, reason: str | None) -> dict[str, object]:
    """The request that asks again, and names the run. Raises CannotRetry `has_not_ended`."""
    if not run.ended:
        raise CannotRetry(
            "has_not_ended",
            f"run {run.run_id} is {run.state.value} and has not ended: only an ended run can be retried; "
            "cancel it first, or wait",
        )
    kept = {name: value for name, value in run.payload.items() if name not in _OF_THE_OLD}
    told = {"reason": reason} if reason is not None else {}
    return {**kept, **told, "model_name": run.model_name, "requested_by": asked_by, "retry_of": run.run_id}
