"""Tasks that use the real libraries: each hangs for ever where its thread pool was made before the fork."""

import os
from pathlib import Path

import numpy as np
import polars as pl
from dvc.repo import Repo
from sklearn.ensemble import HistGradientBoostingRegressor


def fit() -> float:
    """A parallel fit (OpenMP)."""
    rows = np.random.default_rng(7).normal(size=(500, 3))
    model = HistGradientBoostingRegressor(max_iter=5).fit(rows, rows[:, 0])
    return float(model.score(rows, rows[:, 0]))


def query(folder: str) -> int:
    """A streaming query (polars' own threads)."""
    path = f"{folder}/{os.getpid()}.parquet"
    pl.DataFrame({"a": range(1000)}).write_parquet(path)
    frame = pl.scan_parquet(path).filter(pl.col("a") >= 400).collect(engine="streaming")
    return frame.to_pandas().shape[0]


def version(folder: str) -> str:
    """DVC's `add`, in a workspace of its own."""
    workspace = Path(folder) / str(os.getpid())
    workspace.mkdir()
    (workspace / "data.txt").write_text("bytes")
    with Repo.init(str(workspace), no_scm=True) as repo:
        (stage,) = repo.add(str(workspace / "data.txt"))
        return str(stage.outs[0].hash_info.value)
