"""One run: the life of one request, as the run store holds it; and what people and programs know it by."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from domain.lifecycle import ENDS, NEXT_STEP, State, Step
from domain.promotion_checks import Decision, Verdict
from domain.run_record import RunRecord
from domain.values import Value, VersionTriple


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


# A run's own id first, then its request's, then what it may share with other runs.
_KINDS: Final[tuple[Callable[[Run], str | None], ...]] = tuple(
    attrgetter(name) for name in ("run_id", "causation_id", "mlflow_run_id", "identity", "correlation_id")
)
_FITS: Final = (str.__eq__, str.startswith)


def meant_by(text: str, runs: Sequence[Run]) -> list[Run]:
    """The runs that a text means: whole ids before beginnings, a run's own ids before shared ones.

    More than one: it is ambiguous.
    """
    for fits in _FITS:
        for kind in _KINDS:
            found = [run for run in runs if (known := kind(run)) and fits(known, text)]
            if found:
                return found
    return []


def known_by(text: str, runs: Sequence[Run]) -> list[Run]:
    """Every run that one of its ids names whole; if there is none, each with an id that begins so."""
    for fits in _FITS:
        found = [run for run in runs if any((known := kind(run)) and fits(known, text) for kind in _KINDS)]
        if found:
            return found
    return []


FAILED: Final = "failed"
_ENDINGS: Final = {
    Decision.DECLINE: "declined",
    Decision.INCONCLUSIVE: "inconclusive",
    Decision.HELD: "held",
    Decision.QUARANTINED: "quarantined",
}


def run_name(run_id: str, versions: VersionTriple, ending: str = "") -> str:
    """Such as `60a068c3 s1 f1 m3 promoted g2`; without an ending while the run goes on."""
    split, features, model = versions.split_version, versions.feature_version, versions.model_version
    return f"{run_id[:8]} s{split} f{features} m{model} {ending}".rstrip()


def ending_of(verdict: Verdict, generation: int | None) -> str:
    """The last words of the name of a run that came to its verdict."""
    return f"promoted g{generation}" if generation is not None else _ENDINGS[verdict.decision]
