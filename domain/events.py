"""Every fact on the wire: past tense, frozen, valid from birth, its type written down.

The wire format is CloudEvents 1.0. A type outlives renames of the class; a breaking change is a `…v2` beside
the old one. Readers ignore fields that they do not know.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.datasets import RowFates
from domain.faults import Fault
from domain.ledger import Cause
from domain.metrics import Score
from domain.promotion_checks import Check, Decision
from domain.run_warnings import RunWarning
from domain.values import Sha256, VersionTriple


class Event(BaseModel):
    """What all events share. `wire_type` is the CloudEvents type, `topic` where it is published.

    `older_names` are fields under which the common form of a run, a generation or a replica was known before.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        protected_namespaces=(),
        defer_build=True,
    )
    wire_type: ClassVar[str]
    topic: ClassVar[str]
    older_names: ClassVar[Mapping[str, str]] = {}

    model_name: str

    @model_validator(mode="before")
    @classmethod
    def _under_both_names(cls, given: Mapping[str, object]) -> Mapping[str, object]:
        return {name: given.get(older) for name, older in cls.older_names.items()} | dict(given)


class VersionedEvent(Event):
    """A fact with the resolved versions."""

    older_names = {"triple": "versions"}

    versions: VersionTriple | None
    triple: VersionTriple | None = None


class RunEvent(Event):
    """A fact about one run; `run_id` is Laurel's, `request` what was asked for."""

    run_id: str


class DatasetPart(BaseModel):
    """One file of a split: where it is, what it holds, and the sha256 of its bytes."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    path: str
    sha256: Sha256
    rows: int
    dvc_hash: str | None = None


class SplitCompleted(RunEvent, VersionedEvent):
    """The master was checked, split and versioned."""

    wire_type: ClassVar[str] = "laurel.split.completed.v1"
    topic: ClassVar[str] = "split.completed"

    mlflow_run_id: str
    versions: VersionTriple
    master: DatasetPart
    train: DatasetPart
    reference: DatasetPart
    optional_tests: Mapping[str, DatasetPart]
    reference_created: bool
    duration_seconds: float
    fates: RowFates | None = None
    warnings: tuple[RunWarning, ...] = ()


class ModelEvaluated(RunEvent, VersionedEvent):
    """Candidate and champion were scored on the same reference bytes."""

    wire_type: ClassVar[str] = "laurel.model.evaluated.v1"
    topic: ClassVar[str] = "model.evaluated"

    mlflow_run_id: str
    versions: VersionTriple
    reference_digest: Sha256
    candidate: Score
    champion: Score | None
    champion_version: int | None
    champion_generation: int | None
    champion_problem: str | None
    optional_tests: Mapping[str, Score]
    training_seconds: float
    evaluation_seconds: float
    champion_trained_rows: int | None = None
    warnings: tuple[RunWarning, ...] = ()
    metric: str | None = None


class Generation(VersionedEvent):
    """One generation of the ledger, in the form that all of Laurel has for one."""

    run_id: str | None
    mlflow_run_id: str | None
    version: int = Field(ge=1)
    model_uri: str
    generation: int = Field(ge=1)
    previous_version: int | None
    previous_generation: int | None
    cause: Cause
    candidate: Score | None
    champion: Score | None
    reference_digest: Sha256 | None
    reasons: tuple[str, ...] = Field(min_length=1)
    actor: str
    promoted_at: str
    entry_hash: Sha256 | None = None
    model_digest: Sha256 | None = None
    metric: str | None = None
    reason: str | None = None
    returns_to: int | None = Field(default=None, ge=1)


class ModelPromoted(Generation):
    """The champion changed; says enough to act on without calling back."""

    wire_type: ClassVar[str] = "laurel.model.promoted.v1"
    topic: ClassVar[str] = "model.promoted"

    ledger_id: str | None = None


class ChampionMissing(Event):
    """The registry no longer holds the champion's version, and nobody of us took it away."""

    wire_type: ClassVar[str] = "laurel.champion.missing.v1"
    topic: ClassVar[str] = "champion.missing"

    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    mlflow_run_id: str | None
    loss: int = Field(ge=1)
    noticed_at: str
    message: str


class ModelDeclined(RunEvent, VersionedEvent):
    """The candidate did not become champion; `decision` says which of the gate's verdicts it was."""

    wire_type: ClassVar[str] = "laurel.model.declined.v1"
    topic: ClassVar[str] = "model.declined"

    mlflow_run_id: str
    versions: VersionTriple
    decision: Decision
    reasons: tuple[str, ...] = Field(min_length=1)
    checks: tuple[Check, ...]
    candidate: Score
    champion: Score | None
    champion_version: int | None
    champion_generation: int | None
    champion_trained_rows: int | None = None
    metric: str | None = None


class PromotionHeld(Event):
    """From now on nothing is promoted, until the hold is released or its time has come."""

    wire_type: ClassVar[str] = "laurel.promotion.held.v1"
    topic: ClassVar[str] = "promotion.held"

    hold_id: str
    reason: str
    actor: str
    door: str
    proven: bool
    held_at: str
    until: str | None


class PromotionReleased(Event):
    """A hold is over: by a person, or at its time (then `actor` is null)."""

    wire_type: ClassVar[str] = "laurel.promotion.released.v1"
    topic: ClassVar[str] = "promotion.released"

    hold_id: str
    reason: str | None
    actor: str | None
    door: str | None
    proven: bool
    released_at: str
    held_at: str
    held_by: str
    held_because: str


class QuarantineEvent(VersionedEvent):
    """A fact about a generation that a rollback left; `by_generation` is the rollback's own."""

    run_id: str | None
    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    by_generation: int = Field(ge=1)
    train_digest: Sha256 | None
    actor: str
    reason: str


class ModelQuarantined(QuarantineEvent):
    """The gate does not promote this model, or its recipe, again until a person lifts that."""

    wire_type: ClassVar[str] = "laurel.model.quarantined.v1"
    topic: ClassVar[str] = "model.quarantined"

    quarantined_at: str


class ModelQuarantineLifted(QuarantineEvent):
    """The gate may promote this model, or its recipe, again."""

    wire_type: ClassVar[str] = "laurel.model.quarantine_lifted.v1"
    topic: ClassVar[str] = "model.quarantine_lifted"

    door: str
    proven: bool
    lifted_at: str


class TrainingRejected(RunEvent):
    """The request was understood and may not run: every fault, and what is allowed."""

    wire_type: ClassVar[str] = "laurel.training.rejected.v1"
    topic: ClassVar[str] = "training.rejected"

    reason: str
    faults: tuple[Fault, ...] = Field(min_length=1)
    request: Mapping[str, object]


class TrainingFailed(RunEvent, VersionedEvent):
    """A step could not go on; `reason` is a code, `message` says what to do."""

    wire_type: ClassVar[str] = "laurel.training.failed.v1"
    topic: ClassVar[str] = "training.failed"

    mlflow_run_id: str | None
    state: str
    step: str
    reason: str
    message: str
    facts: Mapping[str, object]
    attempts: int


class ReplicaEvent(Event):
    """A fact about one replica and one generation; `address` is null where `url` has no name to resolve."""

    replica: str
    url: str
    address: str | None
    generation: int = Field(ge=1)
    version: int = Field(ge=1)
    seconds_since_promotion: float | None = Field(ge=0)
    listener: str


class InferenceReloaded(ReplicaEvent):
    """A replica says that it serves the champion; one that knows no generation names its version alone."""

    wire_type: ClassVar[str] = "laurel.inference.reloaded.v1"
    topic: ClassVar[str] = "inference.reloaded"

    older_names = {"served_generation": "confirmed_generation", "served_version": "version"}

    confirmed_generation: int | None
    served_generation: int | None = None
    served_version: int | None = None
    mlflow_run_id: str | None


class InferenceDiverged(ReplicaEvent):
    """A replica does not serve the champion: what it serves instead, and why."""

    wire_type: ClassVar[str] = "laurel.inference.diverged.v1"
    topic: ClassVar[str] = "inference.diverged"

    served_generation: int | None
    served_version: int | None
    mlflow_run_id: str | None = None
    reason: str
    detail: str


OUTGOING: Final[tuple[type[Event], ...]] = (
    SplitCompleted,
    ModelEvaluated,
    ModelPromoted,
    ModelDeclined,
    TrainingRejected,
    TrainingFailed,
    InferenceReloaded,
    InferenceDiverged,
    ChampionMissing,
    PromotionHeld,
    PromotionReleased,
    ModelQuarantined,
    ModelQuarantineLifted,
)
# Those of which people are told.
NOTICED: Final[tuple[type[Event], ...]] = (
    ModelPromoted,
    ModelDeclined,
    TrainingRejected,
    TrainingFailed,
    InferenceDiverged,
    ChampionMissing,
    PromotionHeld,
    PromotionReleased,
    ModelQuarantined,
    ModelQuarantineLifted,
)
REQUEST_TOPIC: Final = "training.requested"
REQUEST_TYPE: Final = "laurel.training.requested.v1"
DEAD_LETTER_TOPIC: Final = "training.requested.dlq"
