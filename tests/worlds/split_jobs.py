"""Split jobs for tests: a master and three pieces of configuration in a folder, and what came out."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from domain.data_contract import DataContract
from domain.datasets import DatasetFile, DatasetLimits, SplitParts, named_files
from domain.resolved_config import read_features
from domain.split_rules import SPLIT_RULES
from service.adapters.files.atomic import AtomicFiles, sha256_of
from service.lifecycle.steps.jobs import SplitJob
from service.lifecycle.steps.split_job import run_split
from tests.worlds.synthetic import CONFIG_FILES, write_master

SMALL_CONTRACT: Mapping[str, Any] = {
    "version": 1,
    "columns": {
        "key": {"type": "string"},
        "place": {"type": "string"},
        "year": {"type": "int"},
        "size": {"type": "float"},
        "price": {"type": "float"},
    },
    "primary_key": ["key"],
    "target": "price",
}
SMALL_FEATURES: Mapping[str, Any] = {
    "version": 1,
    "data_contract": 1,
    "tabular_features": {"size": {"type": "numeric"}},
}
SMALL_SPLIT: Mapping[str, Any] = {
    "version": 1,
    "data_contract": 1,
    "split_strategy": "geographic",
    "geographic_column": "place",
    "periodic_column": "year",
    "test_localities": ["north"],
    "reference_test_period": {"min": 2010, "max": 2012},
    "moving_test_period": {"durations": [1]},
}
SMALL_ROWS: Mapping[str, Any] = {
    "key": ["a", "b", "c", "d", "e", "f"],
    "place": ["north", "north", "south", None, "north", "south"],
    "year": [2010, 2013, 2011, 2012, 2012, 2009],
    "size": [1.0, 2.0, None, 4.0, 5.0, 6.0],
    "price": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
}


def assert_whole(parts: SplitParts) -> None:
    """Every part is there with its recorded bytes, and its folder holds nothing else."""
    for file in named_files(parts).values():
        assert sha256_of(Path(file.path)) == file.sha256
    own = {Path(file.path) for file in (parts.train, *parts.optional_tests.values())}
    assert {path for path in Path(parts.train.path).parent.rglob("*") if path.is_file()} == own


def small_table(**columns: Any) -> pa.Table:
    """Six rows; `columns` replace or add some, None removes one."""
    return pa.table(
        {name: values for name, values in {**SMALL_ROWS, **columns}.items() if values is not None}
    )


def small_job(folder: Path, table: pa.Table | None = None, **changes: Any) -> SplitJob:
    """Write a small master into `folder` and say how to split it; `changes` replace parts of the job."""
    master = folder / "processed" / "master.parquet"
    if table is not None or not master.exists():
        master.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(small_table() if table is None else table, master)
    return _job(folder, master, SMALL_CONTRACT, SMALL_SPLIT, SMALL_FEATURES, changes)


def synthetic_job(
    folder: Path, split_version: int, *, rows: int = 600, row_group_size: int = 128, **changes: Any
) -> SplitJob:
    """Write the synthetic master into `folder` and say how to split it by one of its three rules."""
    master = folder / "processed" / "master.parquet"
    write_master(master, rows=rows, row_group_size=row_group_size)
    contract, features = config_of("data_contracts/v1.yaml"), config_of("features/v1.yaml")
    return _job(folder, master, contract, config_of(f"splits/v{split_version}.yaml"), features, changes)


def config_of(name: str) -> dict[str, Any]:
    """One file of the synthetic configuration."""
    content: dict[str, Any] = yaml.safe_load(CONFIG_FILES[name])
    return content


def _job(
    folder: Path,
    master: Path,
    contract: Mapping[str, Any],
    split: Mapping[str, Any],
    features: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> SplitJob:
    return SplitJob(
        master=master,
        run_folder=folder / changes.get("run", "run"),
        reference=folder / "reference" / "tests" / "v1" / "test_reference.parquet",
        contract=DataContract.model_validate(changes.get("contract", contract)),
        rules=SPLIT_RULES.validate_python(changes.get("split", split)),
        features=read_features(changes.get("features", features)),
        expected_reference=changes.get("expected_reference"),
        limits=changes.get("limits", DatasetLimits()),
    )


def split_small(
    folder: Path, table: pa.Table | None = None, files: AtomicFiles | None = None, **changes: Any
) -> SplitParts:
    """Split a small master."""
    return run_split(small_job(folder, table, **changes), files)


def files_of(parts: SplitParts) -> dict[str, DatasetFile]:
    """The parts that a rule makes, by name."""
    return {"train": parts.train, "reference": parts.reference, **parts.optional_tests}


def rows_of(path: str | Path) -> list[dict[str, Any]]:
    """Every row with every column, as plain values in which NaN equals NaN."""
    return [{name: _plain(value) for name, value in row.items()} for row in pq.read_table(path).to_pylist()]


def _plain(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and value != value else value  # noqa: PLR0124 - only NaN differs


def keys_of(file: DatasetFile) -> list[Any]:
    """The keys of a small part, in its order."""
    keys: list[Any] = pq.read_table(file.path, columns=["key"])["key"].to_pylist()
    return keys
