"""The memory of a fit, for each type of model: its peak in a fresh process, against the encoded matrix.

    python -m bench.large.fit [ROWS] [TYPE…] [--values N]

With `--values` a column of so many texts is encoded one-hot, beside the eight numbers.

`memory_factor` of each row of `domain/model_types.py` comes from here.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domain.data_contract import DataContract
from domain.datasets import DatasetFile
from domain.feature_schema import FeatureSchema
from domain.model_types import MODEL_TYPES, Estimator, ModelDefinition
from service.lifecycle.steps.jobs import TrainJob
from service.lifecycle.steps.train_job import train
from service.processes.child_settings import ForkSettings

_ROWS: Final = 1_000_000
_TEXT: Final = "text"
_NUMBERS: Final = tuple(f"number_{place}" for place in range(8))
_FEW_TREES: Final = {  # more take longer, and no more memory
    "gradient_boosting": {"n_estimators": 2},
    "random_forest": {"n_estimators": 2, "max_depth": 8},
    "ridge": {},
    "hist_gradient_boosting": {"max_iter": 10},
    "lightgbm": {"n_estimators": 10},
    "xgboost": {"n_estimators": 10},
}


class Peak(NamedTuple):
    """One fit: the bytes of its encoded matrix in 64 bits, and those that its process held more at most."""

    model_type: str
    rows: int
    columns: int
    matrix_bytes: int
    peak_bytes: int
    fit_seconds: float

    @property
    def times(self) -> float:
        """The peak in encoded matrices."""
        return self.peak_bytes / self.matrix_bytes


def measure(rows: int = _ROWS, types: Sequence[str] = tuple(MODEL_TYPES), values: int = 0) -> list[Peak]:
    """Fit each type once, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="laurel-bench-fit-") as folder:
        path = Path(folder) / "train.parquet"
        _write(path, rows, values)
        return [_apart(path, model_type) for model_type in types]


def _write(path: Path, rows: int, values: int) -> None:
    dice = np.random.default_rng(1)
    columns: dict[str, Any] = {name: dice.normal(size=rows).round(2) for name in _NUMBERS}
    noise = dice.normal(size=rows)
    target = 3 * columns[_NUMBERS[0]] + np.sin(2 * columns[_NUMBERS[1]]) + noise
    if values:
        columns[_TEXT] = [f"v{place % values}" for place in range(rows)]
    pq.write_table(pa.table({**columns, "target": target}), path, row_group_size=1 << 17)


def _apart(path: Path, model_type: str) -> Peak:
    said = subprocess.run(  # noqa: S603 - the command is ours
        [sys.executable, "-m", "bench.large.fit", "--here", str(path), model_type],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, **ForkSettings().variables()},
    ).stdout
    return Peak(**json.loads(said))


def _here(path: Path, model_type: str) -> Peak:
    small = path.with_name("small.parquet")
    _write(small, 1000, values=3 if _TEXT in pq.read_schema(path).names else 0)
    _fit(small, model_type)  # what libraries take with their first call is no matter of rows
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = _status("VmRSS")
    matrix, fit_seconds = _fit(path, model_type)
    peak = _status("VmHWM") - before
    return Peak(model_type, *matrix, 8 * matrix[0] * matrix[1], peak, fit_seconds)


def _fit(path: Path, model_type: str) -> tuple[tuple[int, int], float]:
    names = pq.read_schema(path).names
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    model = Estimator(type=model_type, params=_FEW_TREES[model_type])
    with tempfile.TemporaryDirectory(prefix="laurel-bench-fit-") as folder:
        job = TrainJob(
            part=DatasetFile(path=str(path), sha256=sha256, bytes=len(data), rows=0),
            contract=_contract(names),
            features=_features(names),
            model=ModelDefinition(version=1, model=model),
            run_folder=Path(folder),
            seed=1,
        )
        del data
        answer = train(job)
    table = pq.read_table(path, columns=[name for name in names if name == _TEXT])
    values = len(pc.unique(table.column(_TEXT))) if _TEXT in names else 0
    return (pq.read_metadata(path).num_rows, len(_NUMBERS) + values), answer.fit_seconds


def _contract(names: Sequence[str]) -> DataContract:
    columns = {name: {"type": "string" if name == _TEXT else "float"} for name in names}
    return DataContract.model_validate(
        {"version": 1, "columns": columns, "primary_key": [_NUMBERS[0]], "target": "target"}
    )


def _features(names: Sequence[str]) -> FeatureSchema:
    features: dict[str, Any] = {name: {"type": "numeric", "impute": "median"} for name in _NUMBERS}
    if _TEXT in names:
        features[_TEXT] = {"type": "categorical", "encoding": "onehot"}
    return FeatureSchema.model_validate({"version": 1, "data_contract": 1, "tabular_features": features})


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kilobytes = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(kilobytes) << 10


def _lines(peaks: Sequence[Peak]) -> Iterator[str]:
    yield f"{'type':24} {'rows':>12} {'columns':>8} {'matrix MB':>10} {'peak MB':>8} {'times':>6} {'fit':>8}"
    for peak in peaks:
        yield (
            f"{peak.model_type:24} {peak.rows:12,} {peak.columns:8} {peak.matrix_bytes / 1e6:10.0f} "
            f"{peak.peak_bytes / 1e6:8.0f} {peak.times:6.2f} {peak.fit_seconds:6.2f} s"
        )


def main() -> None:
    """Print a table, or, in a process of its own, one fit as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.large.fit", description=__doc__)
    parser.add_argument("--here", nargs=2, metavar=("PATH", "TYPE"), help=argparse.SUPPRESS)
    parser.add_argument("--values", type=int, default=0)
    parser.add_argument("rows", nargs="?", type=int, default=_ROWS)
    parser.add_argument("types", nargs="*", default=tuple(MODEL_TYPES))
    asked = parser.parse_args()
    if asked.here:
        sys.stdout.write(json.dumps(_here(Path(asked.here[0]), asked.here[1])._asdict()))
        return
    sys.stdout.write("".join(f"{line}\n" for line in _lines(measure(asked.rows, asked.types, asked.values))))


if __name__ == "__main__":
    main()
