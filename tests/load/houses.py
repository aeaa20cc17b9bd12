"""The models of the example deployment, trained as the worker trains them, and rows of its sales."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
import yaml

from service.tasks.train import train

_EXAMPLE: Final = Path(__file__).parents[2] / "config" / "example"
_MASTER: Final = _EXAMPLE / "data" / "ames.parquet"
HIST_GRADIENT_BOOSTING, GRADIENT_BOOSTING = 1, 3  # versions of models/


def house_package(folder: Path, version: int) -> dict[str, bytes]:
    """The package of one of the example's model versions, by relative path."""
    answer = train(
        train_path=str(_MASTER),
        train_sha256=hashlib.sha256(_MASTER.read_bytes()).hexdigest(),
        contract=_read("data_contracts/v1.yaml"),
        features=_read("features/v1.yaml"),
        model=_read(f"models/v{version}.yaml"),
        run_folder=str(folder),
        seed=42,
    )
    package = Path(answer["package"]["folder"])
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
