"""Warm up: a whole lifecycle in small, so that a child's first real job is as fast as its second."""

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from domain.data_contract import DataContract
from domain.datasets import DatasetFile
from domain.feature_schema import FeatureSchema
from domain.model_types import Estimator, ModelDefinition
from service.adapters.pyarrow.datasets import write_columns
from service.lifecycle.steps.evaluate_job import score
from service.lifecycle.steps.jobs import ModelOnDisk, ScoreJob, TrainJob
from service.lifecycle.steps.train_job import train
from service.models.memory import MEMORY
from service.models.verify import verify
from service.processes.task_names import resolve

_COLUMNS: Final[Mapping[str, Sequence[float | str]]] = {
    "number": [float(place % 7) for place in range(60)],
    "text": ["abc"[place % 3] for place in range(60)],
    "target": [float(place) for place in range(60)],
}
_CONTRACT: Final = DataContract.model_validate(
    {
        "version": 1,
        "columns": {"number": {"type": "float"}, "text": {"type": "string"}, "target": {"type": "float"}},
        "primary_key": ["number"],
        "target": "target",
    }
)
_FEATURES: Final = FeatureSchema.model_validate(
    {
        "version": 1,
        "data_contract": 1,
        "tabular_features": {
            "number": {"type": "numeric", "impute": "median", "clip": [0, 5], "scaler": "standard"},
            "text": {"type": "categorical", "impute": "most_frequent", "encoding": "onehot"},
        },
    }
)
_MODEL: Final = ModelDefinition(
    version=1, model=Estimator(type="hist_gradient_boosting", params={"max_iter": 2})
)


def warm_up(*, also: Sequence[str] = ()) -> dict[str, float]:
    """Train, verify and score a tiny model in a folder of its own, then run the tasks of `also`.

    `also` are import paths such as `package.module:function`, called without arguments: others' libraries
    have first calls too. Returns `seconds`.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="laurel-warm-up-") as folder:
        _lifecycle(Path(folder))
    for task in also:
        resolve(task)()
    return {"seconds": time.perf_counter() - started}


def _lifecycle(folder: Path) -> None:
    path = folder / "train.parquet"
    write_columns(path, _COLUMNS)
    data = path.read_bytes()
    part = DatasetFile(
        path=str(path), sha256=hashlib.sha256(data).hexdigest(), bytes=len(data), rows=len(_COLUMNS["target"])
    )
    package = train(
        TrainJob(part=part, contract=_CONTRACT, features=_FEATURES, model=_MODEL, run_folder=folder, seed=0)
    ).package
    verify(package)
    model = ModelOnDisk(folder=package.folder, manifest=package.manifest)
    score(ScoreJob(model=model, datasets={"train": part}, target=_CONTRACT.target))
    MEMORY.forget(package.digest)
