"""The models of the example deployment, trained as the worker trains them, and rows of its sales."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from domain.data_contract import DataContract
from domain.datasets import DatasetFile
from domain.feature_schema import FeatureSchema
from domain.model_types import ModelDefinition
from service.lifecycle.steps.jobs import TrainJob
from service.lifecycle.steps.train_job import train

_EXAMPLE: Final = Path(__file__).parents[2] / "config" / "example"
_MASTER: Final = _EXAMPLE / "data" / "ames.parquet"
HIST_GRADIENT_BOOSTING, GRADIENT_BOOSTING = 1, 3  # versions of models/


def house_package(folder: Path, version: int) -> dict[str, bytes]:
    """The package of one of the example's model versions, by relative path."""
    digest = hashlib.sha256(_MASTER.read_bytes()).hexdigest()
    job = TrainJob(
        part=DatasetFile(path=str(_MASTER), sha256=digest, bytes=0, rows=0),
        contract=DataContract.model_validate(_read("data_contracts/v1.yaml")),
        features=FeatureSchema.model_validate(_read("features/v1.yaml")),
        model=ModelDefinition.model_validate(_read(f"models/v{version}.yaml")),
        run_folder=folder,
        seed=42,
    )
    package = Path(train(job).package.folder)
    files = (path for path in sorted(package.rglob("*")) if path.is_file())
    return {path.relative_to(package).as_posix(): path.read_bytes() for path in files}


def house_rows(count: int) -> list[dict[str, Any]]:
    """Sales with the columns that the models see; from the first again when there are not so many."""
    columns = list(_read("features/v1.yaml")["tabular_features"])
    rows = pl.read_parquet(_MASTER, columns=columns).to_dicts()
    return [rows[place % len(rows)] for place in range(count)]


def _read(name: str) -> Mapping[str, Any]:
    read: Mapping[str, Any] = yaml.safe_load((_EXAMPLE / name).read_text(encoding="utf-8"))
    return read
