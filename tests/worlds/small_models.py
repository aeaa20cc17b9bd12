"""Small training jobs for the tests of the model's tasks: a frame, a schema, a package on disk."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from domain.data_contract import DataContract
from domain.datasets import DatasetFile, seal
from domain.feature_schema import FeatureSchema
from domain.model_types import ModelDefinition
from domain.models import ModelRecord, PackageFiles
from service.lifecycle.steps.evaluate_job import score
from service.lifecycle.steps.jobs import KeptPredictions, ModelOnDisk, ScoreJob, TrainJob
from service.lifecycle.steps.train_job import train

MODELS: Mapping[str, Mapping[str, Any]] = {
    "gradient_boosting": {"n_estimators": 8},
    "random_forest": {"n_estimators": 6},
    "ridge": {},
    "hist_gradient_boosting": {"max_iter": 6},
    "lightgbm": {"n_estimators": 6},
    "xgboost": {"n_estimators": 6},
}
FEATURES: Mapping[str, Any] = {
    "size": {"type": "numeric", "impute": "median", "clip": [20, 90], "scaler": "standard"},
    "floors": {"type": "numeric", "impute": "constant", "scaler": "minmax"},
    "kind": {"type": "categorical", "impute": "most_frequent", "encoding": "onehot"},
    "grade": {"type": "categorical", "encoding": "ordinal", "order": ["low", "mid", "high"]},
}
CONTRACT: Mapping[str, Any] = {
    "version": 1,
    "columns": {
        "key": {"type": "int"},
        "place": {"type": "string"},
        "size": {"type": "float"},
        "floors": {"type": "int"},
        "kind": {"type": "string"},
        "grade": {"type": "string"},
        "price": {"type": "float"},
    },
    "primary_key": ["key"],
    "target": "price",
}


def table(rows: int = 120, seed: int = 3) -> pa.Table:
    """Rows in which every feature has its nulls, but the one that may have none."""
    dice = np.random.default_rng(seed)
    size, floors = dice.uniform(10, 100, rows), dice.integers(1, 6, rows)
    grade = dice.integers(0, 3, rows)
    return pa.table(
        {
            "key": pa.array(np.arange(rows)),
            "place": pa.array([("north", "south", None)[place % 3] for place in range(rows)]),
            "size": pa.array(size, mask=dice.random(rows) < 0.1),
            "floors": pa.array(floors, mask=dice.random(rows) < 0.1),
            "kind": pa.array([("house", "flat", None)[place % 3] for place in range(rows)]),
            "grade": pa.array([("low", "mid", "high")[place] for place in grade]),
            "price": pa.array(30 * size + 100 * floors + 500 * grade + dice.uniform(0, 50, rows)),
        }
    )


@dataclass(frozen=True)
class Dataset:
    """A Parquet file and the sha256 of its bytes."""

    path: Path
    sha256: str

    @property
    def file(self) -> DatasetFile:
        return DatasetFile(path=str(self.path), sha256=self.sha256, bytes=0, rows=0)


def dataset(path: Path, rows: pa.Table) -> Dataset:
    pq.write_table(rows, path)
    return Dataset(path, hashlib.sha256(path.read_bytes()).hexdigest())


def definition(kind: str, **more: Any) -> dict[str, Any]:
    return {"version": 1, "model": {"type": kind, "params": {**MODELS[kind]}, **more}}


def schema(features: Mapping[str, Any] = FEATURES) -> dict[str, Any]:
    return {"version": 1, "data_contract": 1, "tabular_features": dict(features)}


def trained(
    folder: Path,
    data: Dataset,
    *,
    model: Mapping[str, Any] | None = None,
    features: Mapping[str, Any] = FEATURES,
    contract: Mapping[str, Any] = CONTRACT,
    seed: int = 11,
    record: Mapping[str, str] | None = None,
    memory_bytes: int | None = None,
    rows: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """Train as the worker asks its child to; the answer of the task."""
    folder.mkdir(parents=True, exist_ok=True)
    job = TrainJob(
        part=data.file.model_copy(update={"rows": rows}),
        contract=DataContract.model_validate(contract),
        features=FeatureSchema.model_validate(schema(features)),
        model=ModelDefinition.model_validate(model or definition("ridge")),
        run_folder=folder,
        seed=seed,
        record=None if record is None else ModelRecord.model_validate(record),
        memory_bytes=memory_bytes,
        threads=threads,
    )
    return train(job).model_dump(mode="json")


def files_of(folder: str | Path, manifest: Mapping[str, str]) -> PackageFiles:
    return PackageFiles(folder=str(folder), manifest=manifest, digest=seal(manifest))


def model_of(answer: Mapping[str, Any]) -> PackageFiles:
    """How a later job names the model that a training left."""
    return files_of(answer["package"]["folder"], answer["package"]["manifest"])


def scored(
    answer: Mapping[str, Any],
    data: Dataset,
    *,
    target: str = "price",
    predictions_folder: str | None = None,
    locality_column: str | None = None,
    foreign: bool = False,
) -> dict[str, Any]:
    package = model_of(answer)
    folder = None if predictions_folder is None else Path(predictions_folder)
    job = ScoreJob(
        model=ModelOnDisk(folder=package.folder, manifest=package.manifest, foreign=foreign),
        datasets={"reference": data.file},
        target=target,
        keep=KeptPredictions(folder=folder, locality_column=locality_column),
    )
    return score(job).model_dump(mode="json")
