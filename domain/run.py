"""One run: the life of one request, as the run store holds it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import ENDS, NEXT_STEP, State, Step
from domain.run_record import RunRecord
from domain.values import Value


class Failure(Value):
    """Why a run ended REJECTED or FAILED: a code, a sentence, and facts."""

    reason: str
    message: str
    facts: Mapping[str, Any] = {}


class Run(BaseModel):
    """A row of the run store, as one claim sees it.

    `fence` is the fencing token of the claim: it only grows, and every write says which one it holds.
    `attempts` counts starts of the step that is next, before it begins. `outputs` holds what each completed
    step left (JSON, by step name); `mlflow_run_id` never changes once set.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, protected_namespaces=())

    run_id: str
    model_name: str
    identity: str
    payload: Mapping[str, Any]
    correlation_id: str
    causation_id: str | None
    state: State
    fence: int
    owner: str | None
    attempts: int
    mlflow_run_id: str | None
    outputs: Mapping[str, Any]
    failure: Failure | None
    waiting_on: str | None
    waiting_since: datetime | None
    requested_at: datetime
    updated_at: datetime

    @property
    def record(self) -> RunRecord:
        """The outputs as typed parts."""
        return RunRecord(self.outputs)

    @property
    def ended(self) -> bool:
        """True in one of the four ends."""
        return self.state in ENDS

    @property
    def next_step(self) -> Step:
        """The step that this run needs; only for a run that has not ended."""
        return NEXT_STEP[self.state]


class TransitionRecord(Value):
    """One row of a run's history; `seq` counts from 1 within the run."""

    run_id: str
    seq: int
    from_state: State
    to_state: State
    outcome: str
    fence: int
    at: datetime
