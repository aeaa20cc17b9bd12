"""Asking again for what a run was asked for."""

from typing import Final

from domain.errors import NeverRetry
from domain.run import Run

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
