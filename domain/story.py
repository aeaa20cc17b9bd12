"""Why a model was promoted, or was not: one sentence, and then all that is known of how it came to that."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from domain.datasets import DatasetFile
from domain.events import InferenceDiverged, InferenceReloaded
from domain.history import Reign, ReignForm
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import NEXT_STEP, State
from domain.promotion_checks import Champion, Check
from domain.run import Run, TransitionRecord
from domain.run_form import RunForm
from domain.run_record import PastWait, RunRecord

_UNTOLD: Final = "no reason was recorded"
_HOW: Final[Mapping[Cause, str]] = {
    Cause.GATE: "promoted",
    Cause.OVERRIDE: "made champion by hand",
    Cause.ADOPTED: "taken over as champion",
    Cause.ROLLBACK: "made champion again by a rollback",
    Cause.REPAIR: "made champion by a repair",
    Cause.RECOVERY: "kept as champion after a restore",
}


class _StoryForm(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, protected_namespaces=())


class DataForm(_StoryForm):
    """One part of the data that a run was made from."""

    sha256: str = Field(description="sha256 of its bytes.")
    rows: int = Field(description="Its rows.")
    dvc_hash: str | None = Field(description="DVC's hash of it; null before it was versioned.")


class StepForm(_StoryForm):
    """One step that came to its end."""

    step: str = Field(description="The step.")
    led_to: State = Field(description="The state that it led to.")
    ended_at: datetime = Field(description="When it ended.")
    seconds: float = Field(description="How long it took, with its waits and its repeats.")


class ReplicaStoryForm(_StoryForm):
    """What was announced of one replica and this generation."""

    replica: str = Field(description="Its name.")
    serves: bool = Field(description="True: it served this generation. False: it did not, at that moment.")
    seconds_since_promotion: float | None = Field(description="How long after the promotion that was.")
    detail: str | None = Field(description="Why it did not.")


class AskedFor(NamedTuple):
    """A text that somebody asked about, and as what it was understood."""

    kind: Literal["generation", "version", "run", "request"]
    text: str


class StoryForm(_StoryForm):
    """Why a model was promoted, or was not, and how it came to that. What is not known is null or empty."""

    model_name: str = Field(description="The registered model.")
    answer: str = Field(description="Why it was promoted, or was not: in a sentence.")
    promoted: bool | None = Field(
        description="True for a generation, false for an end without; null: undecided."
    )
    asked_for: str = Field(description="As what the id was understood: `generation 3`, `run 85a27d19…`.")
    run: RunForm | None = Field(description="The run; null where none of this run store made it.")
    reign: ReignForm | None = Field(description="The generation; null where it became none.")
    generations: tuple[int, ...] = Field(
        description="Every generation of its version, newest first; at most 20."
    )
    request: Mapping[str, object] = Field(description="What was asked for, by whom and why.")
    requested_at: datetime | None = Field(description="When it was asked for.")
    data: Mapping[str, DataForm] = Field(description="The data, by part.")
    scores: Mapping[str, Mapping[str, float]] = Field(
        description="Each metric, by part of the data; `reference (champion)` is the champion's."
    )
    checks: tuple[Check, ...] = Field(
        description="The gate's checks, with their figures, up to the one that failed."
    )
    steps: tuple[StepForm, ...] = Field(description="Each step that has ended, in order.")
    attempts: int = Field(description="How often the present step was begun.")
    waits: tuple[PastWait, ...] = Field(
        description="What held its steps up, and is over: services away, tries that failed; at most 20."
    )
    waits_left_out: int = Field(description="How many older ones are not kept.")
    shown_at: datetime | None = Field(
        description="When alias and defaults had followed, and it was announced."
    )
    replicas: tuple[ReplicaStoryForm, ...] = Field(description="What was announced of replicas; at most 100.")
    losses: tuple[datetime, ...] = Field(description="When it was noticed that its version was deleted.")
    notes: tuple[str, ...] = Field(description="What else a person should know.")


class Told(NamedTuple):
    """What the stores hold of one subject."""

    asked: AskedFor
    model_name: str
    run: Run | None = None
    transitions: Sequence[TransitionRecord] = ()
    reigns: Sequence[Reign] = ()  # of its version, newest first
    reign: Reign | None = None
    shown_at: datetime | None = None
    replicas: Sequence[InferenceReloaded | InferenceDiverged] = ()
    losses: Sequence[datetime] = ()
    notes: Sequence[str] = ()

    def form(self, now: datetime) -> StoryForm:
        """Tell the story."""
        run = self.run
        record = run.record if run else RunRecord({})
        decided = record.decided
        return StoryForm(
            model_name=self.model_name,
            answer=answer(run, self.reign, self.asked),
            promoted=_is_promoted(run, self.reign, self.asked),
            asked_for=f"{self.asked.kind} {self.asked.text}",
            run=None if run is None else RunForm.of(self.model_name, run),
            reign=None if self.reign is None else ReignForm.of(self.reign, now),
            generations=tuple(reign.entry.generation for reign in self.reigns),
            request=dict(run.payload) if run else {},
            requested_at=run.requested_at if run else None,
            data=data_of(record),
            scores=_scores(record),
            checks=decided.verdict.checks if decided else (),
            steps=tuple(_steps(run, self.transitions)) if run else (),
            attempts=run.attempts if run else 0,
            waits=record.waits.past,
            waits_left_out=record.waits.left_out,
            shown_at=self.shown_at,
            replicas=tuple(map(_replica, self.replicas)),
            losses=tuple(self.losses),
            notes=(*self.notes, *([f"the run was {record.pruned}"] if record.pruned else [])),
        )


def answer(run: Run | None, reign: Reign | None, asked: AskedFor) -> str:
    """Say why it was promoted, or was not."""
    if reign is not None:
        return _why_promoted(reign)
    if run is not None:
        return _why_not(run)
    if asked.kind == "request":
        return "Not decided yet: no worker has read the request"
    return f"Never promoted: {asked.kind} {asked.text} became no generation"


def _why_not(run: Run) -> str:
    decided, failure = run.record.decided, run.failure
    match run.state:
        case State.DECLINED if decided is not None:
            return f"Not promoted ({decided.verdict.decision}): {_first(decided.verdict.reasons)}"
        case State.REJECTED:
            return f"Not promoted: the request was rejected: {_faults(run)}"
        case State.FAILED:
            why = f"{failure.reason}: {failure.message}" if failure else _UNTOLD
            return f"Not promoted: the run failed ({why})"
        case state if run.ended:
            return f"Not promoted: the run ended {state.value}, and the ledger holds no generation of it"
        case state:
            return f"Not decided yet: the run is {state.value}, before its step {_before(run)}"


def _before(run: Run) -> str:
    waits = f", and waits for {run.waiting_on}" if run.waiting_on else ""
    why = f" ({run.failure.message})" if run.waiting_on and run.failure else ""
    return f"{run.next_step.value}{waits}{why}"


def _why_promoted(reign: Reign) -> str:
    entry = reign.entry
    how = _HOW.get(entry.cause, f"made champion by {entry.cause.value}")
    what = f"Version {entry.version} was {how} (generation {entry.generation})"
    until = "; it is the champion" if reign.until is None else ""
    return f"{what}: {_first(entry.reasons)}{until}"


def _faults(run: Run) -> str:
    faults = RunForm.of(run.model_name, run).faults or ()
    told = "; ".join(fault.message for fault in faults)
    return told or (run.failure.message if run.failure else _UNTOLD)


def _first(reasons: Sequence[str]) -> str:
    return reasons[0] if reasons else _UNTOLD


def _is_promoted(run: Run | None, reign: Reign | None, asked: AskedFor) -> bool | None:
    if reign is not None:
        return True
    ended = run.ended if run is not None else asked.kind != "request"
    return False if ended else None


def data_of(record: RunRecord) -> dict[str, DataForm]:
    """Each part of a run's data, by its name."""
    parts, hashes = record.split, record.versioned.files if record.versioned else {}
    if parts is None:
        return {}
    files: dict[str, DatasetFile] = {
        "master": parts.master,
        "train": parts.train,
        "reference": parts.reference,
        **parts.optional_tests,
    }
    return {
        name: DataForm(sha256=file.sha256, rows=file.rows, dvc_hash=hashes.get(name))
        for name, file in files.items()
    }


def _scores(record: RunRecord) -> dict[str, Mapping[str, float]]:
    evaluated, trained = record.evaluated, record.trained
    found = {"train": trained.package.train_score} if trained else {}
    found |= evaluated.candidate if evaluated else {}
    if isinstance(record.champion, Champion):
        found["reference (champion)"] = record.champion.score
    return {name: score.metrics for name, score in found.items()}


def _steps(run: Run, transitions: Sequence[TransitionRecord]) -> Sequence[StepForm]:
    times = [run.requested_at, *(one.at for one in transitions)]
    return [
        StepForm(
            step=NEXT_STEP[one.from_state].value,
            led_to=one.to_state,
            ended_at=one.at,
            seconds=(one.at - began).total_seconds(),
        )
        for one, began in zip(transitions, times, strict=False)
    ]


def _replica(event: InferenceReloaded | InferenceDiverged) -> ReplicaStoryForm:
    serves = isinstance(event, InferenceReloaded)
    return ReplicaStoryForm(
        replica=event.replica,
        serves=serves,
        seconds_since_promotion=event.seconds_since_promotion,
        detail=None if isinstance(event, InferenceReloaded) else f"{event.reason}: {event.detail}",
    )


def origin_run(entry: LedgerEntry) -> str | None:
    """The id under which the run that made a version is looked for: Laurel's own, else MLflow's."""
    return entry.run_id or entry.mlflow_run_id
