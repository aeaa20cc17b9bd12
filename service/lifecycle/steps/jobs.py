"""The jobs of the steps: what a child is asked for, and which function answers. Nothing heavy is imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Final

from domain.data_contract import DataContract
from domain.datasets import (
    DEFAULT_LIMITS,
    DatasetFile,
    DatasetHashes,
    DatasetLimits,
    RemoteObservation,
    SplitParts,
)
from domain.feature_schema import FeatureSchema
from domain.job_results import (
    DefinitionFaults,
    DrawnFiles,
    MasterShape,
    ModelScores,
    TrainedPackage,
    TrainedRows,
)
from domain.model_card import ModelCard
from domain.model_types import Estimator, ModelDefinition
from domain.models import ModelRecord
from domain.split_rules import SplitRules
from service.processes.task_names import JobRef


@dataclass(frozen=True, kw_only=True)
class InspectJob:
    """Read what the master holds."""

    master: Path
    limits: DatasetLimits = DEFAULT_LIMITS


@dataclass(frozen=True, kw_only=True)
class SplitJob:
    """Split the master: where the bytes are and go, and the rules.

    `expected_reference` is the digest that was recorded at the reference's first use.
    """

    master: Path
    run_folder: Path
    reference: Path
    contract: DataContract
    rules: SplitRules
    features: FeatureSchema
    expected_reference: str | None = None
    limits: DatasetLimits = DEFAULT_LIMITS


@dataclass(frozen=True, kw_only=True)
class PublishJob:
    """Copy the parts of a split to `folder`."""

    parts: SplitParts
    folder: Path


@dataclass(frozen=True, kw_only=True)
class VersionJob:
    """Add the parts to DVC and push them. The workspace is the run's own, cache and remote are shared."""

    parts: SplitParts
    workspace: Path
    cache: Path
    remote_url: str
    remote_options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RemoteLookJob:
    """Ask a remote for its ids and for some objects; `add_id` is one that it shall bear from now on."""

    cache: Path
    remote_url: str
    objects: tuple[str, ...]
    add_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainJob:
    """Fit on the train part; without a record the package does not say which run it is of.

    The package is the same for every number of `threads`, or that number belongs to the run.
    `memory_bytes` is what the child may hold; None: what the machine has.
    """

    part: DatasetFile
    contract: DataContract
    features: FeatureSchema
    model: ModelDefinition
    run_folder: Path
    seed: int
    record: ModelRecord | None = None
    memory_bytes: int | None = None
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class ModelOnDisk:
    """A model's folder with the manifest of its files; `foreign` when Laurel did not make it."""

    folder: str
    manifest: Mapping[str, str]
    foreign: bool = False


@dataclass(frozen=True, kw_only=True)
class KeptPredictions:
    """Where the predictions of a score are kept, and the column of the rows' locality that goes with them."""

    folder: Path | None = None
    locality_column: str | None = None


NOT_KEPT: Final = KeptPredictions()


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """Score a model on datasets by name; `target` is the column that is predicted.

    `foreign_columns` are for a foreign model without a signature.
    """

    model: ModelOnDisk
    datasets: Mapping[str, DatasetFile]
    target: str
    foreign_columns: tuple[str, ...] = ()
    keep: KeptPredictions = NOT_KEPT


@dataclass(frozen=True, kw_only=True)
class CompareJob:
    """Ask two models for the rows of one reference."""

    candidate: ModelOnDisk
    champion: ModelOnDisk
    reference: DatasetFile
    target: str
    foreign_columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CountTrainedJob:
    """Count the rows of a reference that trained another model; `dvc_hash` names its part in the cache."""

    reference: Path
    train: DatasetFile
    cache: Path
    dvc_hash: str | None
    contract: DataContract


@dataclass(frozen=True, kw_only=True)
class DrawJob:
    """Draw what two models predicted, in files that `score` left; None: there is no champion.

    The plots of the card are filled in.
    """

    candidate: str
    champion: str | None
    target: str
    folder: Path
    card: ModelCard | None = None


_STEPS: Final = "service.lifecycle.steps."
INSPECT: Final = JobRef(f"{_STEPS}split_job:inspect_master", takes=InspectJob, gives=MasterShape)
CHECK_MODEL: Final = JobRef(f"{_STEPS}check_model_job:check_model", takes=Estimator, gives=DefinitionFaults)
SPLIT: Final = JobRef(f"{_STEPS}split_job:split", takes=SplitJob, gives=SplitParts)
PUBLISH: Final = JobRef(f"{_STEPS}split_job:publish_split", takes=PublishJob, gives=NoneType)
VERSION: Final = JobRef(f"{_STEPS}version_job:version", takes=VersionJob, gives=DatasetHashes)
LOOK_AT_REMOTE: Final = JobRef(
    f"{_STEPS}version_job:look_at_remote", takes=RemoteLookJob, gives=RemoteObservation
)
TRAIN: Final = JobRef(f"{_STEPS}train_job:train", takes=TrainJob, gives=TrainedPackage)
SCORE: Final = JobRef(f"{_STEPS}evaluate_job:score", takes=ScoreJob, gives=ModelScores)
COMPARE: Final = JobRef(f"{_STEPS}evaluate_job:compare", takes=CompareJob, gives=bool)
COUNT_TRAINED: Final = JobRef(
    f"{_STEPS}count_trained_job:count_trained", takes=CountTrainedJob, gives=TrainedRows
)
DRAW: Final = JobRef(f"{_STEPS}plots_job:draw", takes=DrawJob, gives=DrawnFiles)
