"""What a split leaves on disk, told by content."""

from collections.abc import Mapping
from typing import Any, Self

from domain.fates import RowFates
from domain.run_warnings import RunWarning
from domain.values import Sha256, Value


class DatasetFile(Value):
    """One file: its path, the sha256 of its bytes, its size in bytes, its rows."""

    path: str
    sha256: Sha256
    bytes: int
    rows: int


class SplitParts(Value):
    """The parts that a run owns, the reference that it shares, and the master that they came from.

    `optional_tests` is by name. `statistics` describes the master's rows and columns; `contract_report` says
    what the data contract found; both are JSON. `reference_created` is False when the reference was there
    already. `warnings` are sentences.

    What Laurel 0.1.0 did not tell stands in `statistics`: it refuses fields that it does not know.
    """

    master: DatasetFile
    train: DatasetFile
    reference: DatasetFile
    optional_tests: Mapping[str, DatasetFile]
    reference_created: bool
    warnings: tuple[str, ...]
    statistics: Mapping[str, Any]
    contract_report: Mapping[str, object]
    seconds: float

    @property
    def fates(self) -> RowFates | None:
        """What became of each row of the master; None of a split that Laurel 0.1.0 made."""
        told = self.statistics.get("fates")
        return None if told is None else RowFates.model_validate(told)

    @property
    def told_warnings(self) -> tuple[RunWarning, ...]:
        """The warnings with their codes and facts."""
        return tuple(map(RunWarning.model_validate, self.statistics.get("warnings", ())))

    @property
    def targets_below_zero(self) -> int:
        """How many rows of the reference have a target below 0."""
        return int(self.statistics.get("reference", {}).get("targets_below_zero", 0))

    def warned(self, *more: RunWarning) -> Self:
        """The same parts with more warnings."""
        told = (*self.told_warnings, *more)
        dumped = [warning.model_dump(mode="json") for warning in told]
        return self.model_copy(
            update={
                "warnings": tuple(warning.message for warning in told),
                "statistics": {**self.statistics, "warnings": dumped},
            }
        )


class DatasetHashes(Value):
    """What versioning left: DVC's md5 hashes (directory hashes end in `.dir`) and our sha256 manifest.

    `files` is the DVC hash by part name: master, train, reference and each optional test.
    """

    dvc_master_hash: str
    dvc_split_hash: str
    dvc_reference_hash: str
    files: Mapping[str, str]
    manifest: Mapping[str, Sha256]
    seconds: float

    @property
    def objects(self) -> list[str]:
        """Every object that the remote was given, by its hash."""
        return [*dict.fromkeys((*self.files.values(), self.dvc_split_hash, self.dvc_reference_hash))]


class RemoteObservation(Value):
    """What a remote showed: the ids that it bears, and which of the objects asked for it lacks."""

    ids: tuple[str, ...]
    asked: int
    missing: tuple[str, ...]
