"""A split on disk, told by content: files and parts, the fates of the master's rows, the manifest.

DVC's md5 hashes are checked against the manifest of sha256 digests.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from domain.data_contract import DataContract
from domain.run_warnings import RunWarning
from domain.values import Sha256, Value

LATE_FOR_REFERENCE: Final = "late_for_reference"
NO_PERIOD: Final = "no_period"
HELD_BACK_OUTSIDE: Final = "held_back_outside"


class RowFates(BaseModel):
    """How many rows of the master train, stand in the reference, stand in moving tests alone, or do nothing.

    A row of the reference that a moving test holds too counts for the reference. `unused` is by reason:
    `late_for_reference` came when the reference was made already, `no_period` is held back and of unknown
    time, `held_back_outside` is held back, and outside of the reference period and of every moving test.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore", hide_input_in_errors=True)

    train: int = Field(ge=0)
    reference: int = Field(ge=0)
    tests: int = Field(ge=0)
    unused: Mapping[str, int]

    @property
    def by_name(self) -> dict[str, int]:
        """Every fate, flat; the numbers add up to the master's rows."""
        return {"train": self.train, "reference": self.reference, "tests": self.tests, **self.unused}


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
        return warnings_in(self.statistics)

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


def warnings_in(statistics: Mapping[str, Any]) -> tuple[RunWarning, ...]:
    """The warnings of a split, which stand in its statistics. Raises ValidationError."""
    return tuple(map(RunWarning.model_validate, statistics.get("warnings") or ()))


def named_files(parts: SplitParts) -> dict[str, DatasetFile]:
    """Every file of a split by part name: master, train, reference, then the optional tests."""
    files = {"master": parts.master, "train": parts.train, "reference": parts.reference}
    return files | dict(sorted(parts.optional_tests.items()))


def manifest_of(parts: SplitParts) -> dict[str, Sha256]:
    """The digest of each part by its name."""
    return {name: file.sha256 for name, file in named_files(parts).items()}


def seal(manifest: Mapping[str, Sha256]) -> Sha256:
    """One digest for the whole manifest: the sha256 of its lines `<sha256>  <name>`, sorted by name.

    It is what `sha256sum` would print for the files, so anyone can take it again.
    """
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(manifest.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


class DatasetLimits(Value):
    """Bounds that are looked at before anything is decoded.

    A parquet file's own size says little: 1.3 MB can decode to 10 GB. Rows and columns do say how large it
    becomes. Reading in memory ends and streaming begins above `in_memory_cells` (rows x columns) or, for the
    sake of long texts, above `in_memory_bytes` of file.
    """

    max_bytes: int = Field(default=64 << 30, gt=0)
    max_footer_bytes: int = Field(default=32 << 20, gt=0)
    max_columns: int = Field(default=5_000, gt=0)
    max_rows: int = Field(default=500_000_000, gt=0)
    in_memory_cells: int = Field(default=16_000_000, ge=0)
    in_memory_bytes: int = Field(default=64 << 20, ge=0)


DEFAULT_LIMITS: Final = DatasetLimits()


Context = Literal["source", "training", "evaluation"]
_CONTEXTS: Final[Mapping[str, Context]] = {"master": "source", "train": "training"}


class DatasetInput(Value):
    """One part by its name: what it was for, which bytes, and DVC's hash of them."""

    name: str
    context: Context
    file: DatasetFile
    dvc_hash: str
    contract: DataContract


def dataset_inputs(
    contract: DataContract, parts: SplitParts, hashes: DatasetHashes
) -> Iterator[DatasetInput]:
    """The master, what the model was fitted on, and everything that it was scored on."""
    for name, file in named_files(parts).items():
        yield DatasetInput(
            name=name,
            context=_CONTEXTS.get(name, "evaluation"),
            file=file,
            dvc_hash=hashes.files.get(name, ""),
            contract=contract,
        )
