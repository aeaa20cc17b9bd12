"""What a split leaves on disk, told by content."""

from collections.abc import Mapping
from typing import Any

from domain.values import Sha256, Value


class DatasetFile(Value):
    """One file: its path, the sha256 of its bytes, its size in bytes, its rows."""

    path: str
    sha256: Sha256
    bytes: int
    rows: int


class SplitParts(Value):
    """The parts that a run owns, the reference that it shares, and the master that they came from.

    `optional_tests` is by name. `statistics` describes the master's columns; `contract_report` says what the
    data contract found; both are JSON. `reference_created` is False when the reference was there already.
    """

    master: DatasetFile
    train: DatasetFile
    reference: DatasetFile
    optional_tests: Mapping[str, DatasetFile]
    reference_created: bool
    warnings: tuple[str, ...]
    statistics: Mapping[str, Any]
    contract_report: Mapping[str, Any]
    seconds: float


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
