"""Warm up: a whole lifecycle in small, so that a child's first real job is as fast as its second."""

import hashlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from service.adapters.pyarrow.datasets import write_columns
from service.children.tasks import resolve
from service.tasks.model_memory import MEMORY
from service.tasks.score import score
from service.tasks.train import train
from service.tasks.verify import verify

_COLUMNS: Final[dict[str, list[Any]]] = {
    "number": [float(place % 7) for place in range(60)],
    "text": ["abc"[place % 3] for place in range(60)],
    "target": [float(place) for place in range(60)],
}
_CONTRACT: Final[dict[str, Any]] = {
    "version": 1,
    "columns": {"number": {"type": "float"}, "text": {"type": "string"}, "target": {"type": "float"}},
    "primary_key": ["number"],
    "target": "target",
}
_FEATURES: Final[dict[str, Any]] = {
    "version": 1,
    "data_contract": 1,
    "tabular_features": {
        "number": {"type": "numeric", "impute": "median", "clip": [0, 5], "scaler": "standard"},
        "text": {"type": "categorical", "impute": "most_frequent", "encoding": "onehot"},
    },
}
_MODEL: Final[dict[str, Any]] = {
    "version": 1,
    "model": {"type": "hist_gradient_boosting", "params": {"max_iter": 2}},
}


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
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    package = train(
        train_path=str(path),
        train_sha256=sha256,
        contract=_CONTRACT,
        features=_FEATURES,
        model=_MODEL,
        run_folder=str(folder),
        seed=0,
    )["package"]
    model = {"model_folder": package["folder"], "manifest": package["manifest"]}
    verify(**model)
    score(**model, datasets={"train": {"path": str(path), "sha256": sha256}}, target="target")
    MEMORY.forget(package["digest"])
