"""What a job in a child process answers, where no other value of the domain says it already."""

from collections.abc import Mapping

from domain.faults import Fault
from domain.metrics import Score
from domain.models import ModelPackage, PackageFiles
from domain.values import Sha256, Value


class MasterShape(Value):
    """The master's columns with their types in the contract's words, its rows, and its size in bytes."""

    columns: Mapping[str, str]
    rows: int
    bytes: int


class DefinitionFaults(Value):
    """Every fault in the params of a model definition."""

    faults: tuple[Fault, ...]


class TrainedRows(Value):
    """How many rows of a reference trained another model; None when nobody knows."""

    rows: int | None


class TrainedPackage(Value):
    """A fit: `not_finite` names train metrics without a number, `fit_seconds` includes the preprocessing."""

    package: ModelPackage
    not_finite: tuple[str, ...]
    columns: tuple[str, ...]
    fit_seconds: float
    package_bytes: int


class FetchedFiles(PackageFiles):
    """A registered version's files, checked, on this machine."""


class VerifiedPackage(Value):
    """How many golden rows a package was asked for, and its digest."""

    golden_rows: int
    model_digest: Sha256
    seconds: float


class ModelScores(Value):
    """One model's scores by dataset.

    `not_finite` names the metrics without a number. `predictions` are Parquet files with `truth`,
    `prediction` and `locality`, if they were asked for. `from_memory`: the process held the model already.
    """

    scores: Mapping[str, Score]
    not_finite: Mapping[str, tuple[str, ...]]
    predictions: Mapping[str, str]
    model_digest: Sha256
    from_memory: bool
    seconds: float


class DrawnFiles(Value):
    """The files that were drawn: name → path."""

    files: Mapping[str, str]
