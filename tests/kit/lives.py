"""A run's life told by its outcomes, with times that are easy to read."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from domain.asked_request import AskedRequest
from domain.lifecycle import Outcome, State, advance
from domain.run import Run, TransitionRecord

ASKED_AT: Final = datetime(2026, 3, 1, 6, 0, 0, tzinfo=UTC)
REQUESTED_AT: Final = ASKED_AT + timedelta(seconds=1)
STEP: Final = timedelta(seconds=10)
PROMOTION: Final = (
    Outcome.RESOLVED,
    Outcome.SPLIT,
    Outcome.VERSIONED,
    Outcome.TRAINED,
    Outcome.EVALUATED,
    Outcome.WON,
    Outcome.PERSISTED,
)


def history_of(outcomes: Sequence[Outcome]) -> tuple[TransitionRecord, ...]:
    """A transition each ten seconds."""
    state, passed = State.REQUESTED, []
    for number, outcome in enumerate(outcomes, start=1):
        to_state = advance(state, outcome)
        at = REQUESTED_AT + number * STEP
        record = {"seq": number, "from_state": state, "to_state": to_state, "outcome": outcome, "at": at}
        passed.append(TransitionRecord(run_id="run-1", fence=1, **record))
        state = to_state
    return tuple(passed)


def run_after(history: Sequence[TransitionRecord], **more: Any) -> Run:
    """The run behind its history; a worker has it in hand unless it has ended."""
    state = history[-1].to_state if history else State.REQUESTED
    run = Run(
        run_id="run-1",
        model_name="price",
        identity="event:/laurel/api asked-1",
        payload={},
        correlation_id="asked-1",
        causation_id=None,
        state=state,
        fence=1,
        owner="worker-1",
        attempts=1,
        mlflow_run_id=None,
        outputs={},
        failure=None,
        waiting_on=None,
        waiting_since=None,
        requested_at=REQUESTED_AT,
        updated_at=history[-1].at if history else REQUESTED_AT,
    )
    ended = {"owner": None, "attempts": 0} if run.ended else {}
    return run.model_copy(update={**ended, **more})


def asked(run: Run | None, **more: Any) -> AskedRequest:
    """The request of a run."""
    payload = {"feature_version": 1, "split_version": "2", "requested_by": "gateway", "model_name": "price"}
    request = AskedRequest(
        request_id="asked-1", payload=payload, door="dag", asked_by="gateway", asked_at=ASKED_AT, run=run
    )
    return request.model_copy(update=more)
