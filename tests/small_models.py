"""Small training jobs for the tests of the model's tasks: a frame, a schema, a package on disk."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from service.tasks.score import score
from service.tasks.train import train

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

    def named(self, name: str) -> dict[str, Any]:
        return {name: {"path": str(self.path), "sha256": self.sha256}}


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
) -> dict[str, Any]:
    """Train as the worker asks its child to; the answer of the task."""
    folder.mkdir(parents=True, exist_ok=True)
    return train(
        train_path=str(data.path),
        train_sha256=data.sha256,
        contract=contract,
        features=schema(features),
        model=model or definition("ridge"),
        run_folder=str(folder),
        seed=seed,
        record=record,
    )


def model_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """How a later task names the model that a training left."""
    return {"model_folder": answer["package"]["folder"], "manifest": answer["package"]["manifest"]}


def scored(answer: Mapping[str, Any], data: Dataset, **more: Any) -> dict[str, Any]:
    return score(**model_of(answer), datasets=data.named("reference"), **{"target": "price", **more})
