"""A small made-up world in which every rule of the user's formats and every kind of null occurs.

Costs of building projects: `write_world(folder)` writes a master and a configuration root. The same seed
gives the same rows, and more rows only append: a world of 400 rows is the beginning of one of 600.

Contract 1 · splits 1 geographic, 2 hash, 3 temporal · features 1 every rule (everything imputed, so that any
estimator can train), 2 short, with nulls passed through · models 1 ridge, 2 gradient_boosting,
3 random_forest, 4 hist_gradient_boosting on log1p of the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LOCALITIES = ("10000 Gunma", "Nagano 長野", "Île-de-France", "NO", "São Paulo", "Köln 🏗", "No. 7, 'quoted'")
TEST_LOCALITIES = ("Nagano 長野", "NO")
FIRST_YEAR, LAST_YEAR = 2010, 2021
REFERENCE_YEARS = (2014, 2018)
CONDITIONS = ("poor", "fair", "good", "très bon")


@dataclass(frozen=True)
class SyntheticWorld:
    """Where a written world lies."""

    config_root: Path
    data_root: Path

    @property
    def master(self) -> Path:
        return self.data_root / "processed" / "master.parquet"


def write_world(folder: Path, *, rows: int = 600, seed: int = 7) -> SyntheticWorld:
    """Write `folder`/config and `folder`/data, and say where they are."""
    world = SyntheticWorld(folder / "config", folder / "data")
    write_master(world.master, rows=rows, seed=seed)
    for name, text in CONFIG_FILES.items():
        path = world.config_root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return world


def write_master(path: Path, *, rows: int = 600, seed: int = 7, row_group_size: int = 128) -> None:
    """Write the first `rows` rows of the world that `seed` makes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(master_table(rows=rows, seed=seed), path, row_group_size=row_group_size)


class _Dice:
    """One stream of random numbers per column, so that a longer world begins like a shorter one."""

    def __init__(self, rows: int, seed: int) -> None:
        self._rows, self._seed, self._column = rows, seed, 0

    def uniform(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        self._column += 1
        return np.random.default_rng([self._seed, self._column]).random(self._rows)

    def pick(self, values: Sequence[Any], nulls: float = 0.0) -> list[Any]:
        places = (self.uniform() * len(values)).astype(int)
        return [
            None if gone < nulls else values[place]
            for place, gone in zip(places, self.uniform(), strict=True)
        ]

    def number(self, low: float, high: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        return low + (high - low) * self.uniform()


def master_table(*, rows: int, seed: int) -> pa.Table:
    """Make the master: contract columns, and others of many types that no contract names."""
    dice = _Dice(rows, seed)
    area, age = dice.number(20, 400), np.floor(dice.number(0, 120))
    years = dice.pick(range(FIRST_YEAR, LAST_YEAR + 1), nulls=0.05)
    conditions = dice.pick(CONDITIONS, nulls=0.1)
    worth = np.array([CONDITIONS.index(value) if value else 1 for value in conditions])
    cost = 500 + 9 * area - 2 * age + 400 * worth + 300 * dice.uniform()
    floors = [
        None if gone < 0.1 else int(value) for gone, value in zip(dice.uniform(), area % 9, strict=True)
    ]
    columns: dict[str, pa.Array] = {
        "project_id": pa.array([f"pröject-{number:06d}" for number in range(rows)]),
        "locality": pa.array(dice.pick(LOCALITIES, nulls=0.08), pa.string()),
        "year": pa.array(years, pa.int16()),
        "area": _two_kinds_of_null(area, dice),
        "floors": pa.array(floors, pa.int64()),
        "rooms": _nan_for_null(np.floor(area / 25) + 1, dice),
        "age": pa.array(age.astype(int), pa.int32()),
        "altitude": _two_kinds_of_null(dice.number(-50, 2500), dice),
        "slope": pa.array(dice.number(0, 1), pa.float32()),
        "distance": _two_kinds_of_null(dice.number(0, 90), dice),
        "condition": pa.array(conditions, pa.string()),
        "energy": pa.array(dice.pick(("A", "B", "C"), nulls=0.2), pa.string()).dictionary_encode(),
        "heated": pa.array(dice.pick(("yes", "no"), nulls=0.1), pa.string()),
        "garden": pa.array(dice.pick(("without", "with", "shared"), nulls=0.1), pa.large_string()),
        "material": pa.array(dice.pick(("wood", "stone", "混凝土", ""), nulls=0.15), pa.string()),
        "roof": pa.array(dice.pick(("flat", "gable"), nulls=0.15), pa.string()),
        "grade": pa.array(dice.pick((1, 2, 3)), pa.int8()),
        "photo": pa.array([f"photo_{number}.tif" for number in range(rows)]),
        "cost": pa.array(cost, pa.float64()),
    }
    return pa.table({**columns, **_carried_columns(rows, dice)})


def _two_kinds_of_null(values: np.ndarray[Any, np.dtype[np.float64]], dice: _Dice) -> pa.Array:
    gone, nan = dice.uniform() < 0.08, dice.uniform() < 0.05
    return pa.array(np.where(nan, np.nan, values), pa.float64(), mask=gone)


def _nan_for_null(values: np.ndarray[Any, np.dtype[np.float64]], dice: _Dice) -> pa.Array:
    return pa.array(np.where(dice.uniform() < 0.1, np.nan, values), pa.float64())


def _carried_columns(rows: int, dice: _Dice) -> dict[str, pa.Array]:
    days = np.floor(dice.number(0, 4000)).astype(int)
    gone = dice.uniform() < 0.1
    dates = [
        None if lost else date(2010, 1, 1) + timedelta(days=int(day))
        for day, lost in zip(days, gone, strict=True)
    ]
    moments = [
        None if day is None else datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in dates
    ]
    return {
        "note": pa.array([None] * rows, pa.string()),
        "nothing": pa.nulls(rows),
        "built_on": pa.array(dates, pa.date32()),
        "seen_at": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "logged_at": pa.array(moments, pa.timestamp("ns")),
        "open_from": pa.array([None if day is None else time(8, day.day) for day in dates], pa.time64("us")),
        "lead_time": pa.array([timedelta(days=int(day)) for day in days], pa.duration("us")),
        "fee": pa.array([Decimal(int(day)) / 100 for day in days], pa.decimal128(12, 2)),
        "is_public": pa.array([None if day is None else day.month > 6 for day in dates], pa.bool_()),
        "tags": pa.array([[str(day), None] if day % 3 else None for day in days], pa.list_(pa.string())),
        "place": pa.array([{"x": int(day), "y": None} for day in days]),
        "blob": pa.array([bytes([day % 256]) for day in days], pa.binary()),
    }


CONFIG_FILES = {
    "active_config.yaml": """\
# Which versions production uses. Other tools read this file too.
data_contract_version: 1
training_defaults:
  feature_version: 1   # every rule
  model_version: 1
  split_version: 1
dashboard: {theme: dark}  # not ours: kept
""",
    "data_contracts/v1.yaml": """\
version: 1
tabular_extensions: ['csv', 'parquet']
image_extensions: ['tif']
columns:
  project_id: {type: string, non_nullable: true, format: 'pröject-\\d{6,}'}
  locality: {type: string}
  year: {type: int, min: 1950, max: 2100}
  area: {type: float, min: 1}
  floors: {type: int, min: 0, max: 200}
  rooms: {type: int, min: 1}
  age: {type: int, non_nullable: true, min: 0}
  altitude: {type: float, min: -400, max: 9000}
  slope: {type: float, non_nullable: true, min: 0.0, max: 1.0}
  distance: {type: float}
  condition: {type: string, allowed_values: [poor, fair, good, très bon]}
  energy: {type: string, allowed_values: [A, B, C]}
  heated: {type: string, allowed_values: ['yes', 'no']}
  garden: {type: string, allowed_values: [with, without, shared]}
  material: {type: string}
  roof: {type: string}
  grade: {type: int, allowed_values: [1, 2, 3]}
  photo:
    type: string
    format: '^photo_[\\w\\-]+\\.tif$'
    external_file: {type: image, name: sentinel2, bands: 12, height: 1024, width: 1024}
  cost: {type: float, non_nullable: true, min: 0}
primary_key: [project_id]
target: cost
deduplication: {subset: [project_id], keep: last}
""",
    "splits/v1.yaml": """\
version: 1
data_contract: 1
split_strategy: geographic
geographic_column: locality
periodic_column: year
test_localities: ['Nagano 長野', 'NO']
reference_test_period: {min: 2014, max: 2018}
moving_test_period: {durations: [1, 3, 500]}
""",
    "splits/v2.yaml": """\
version: 2
data_contract: 1
split_strategy: hash
key_columns: [project_id]
salt: "spring"
test_fraction: 0.25
periodic_column: year
reference_test_period: {min: 2010, max: 2018}
moving_test_period: {durations: [2]}
""",
    "splits/v3.yaml": """\
version: 3
data_contract: 1
split_strategy: temporal
periodic_column: year
reference_test_period: {min: 2018, max: 2019}
moving_test_period: {durations: [1]}
""",
    "features/v1.yaml": """\
version: 1
data_contract: 1
split_columns: [locality, year]
image_features:
tabular_features: # this order is the model's
  slope: {type: numeric}
  area: {type: numeric, impute: median, clip: [30, 350], scaler: standard}
  floors: {type: numeric, impute: most_frequent, scaler: minmax}
  rooms: {type: numeric, impute: mean}
  age: {type: numeric, clip: [5, 100]}
  altitude: {type: numeric, impute: constant, clip: [0, 2000], scaler: minmax}
  distance: {type: numeric, impute: mean, scaler: standard}
  condition:
    {type: categorical, impute: most_frequent, encoding: ordinal, order: [poor, fair, good, très bon]}
  energy: {type: categorical, impute: constant, encoding: ordinal, order: [missing_value, C, B, A]}
  heated: {type: categorical, impute: most_frequent, encoding: binary}
  garden:
    {type: categorical, impute: constant, encoding: binary, order: [with, without, shared, missing_value]}
  material: {type: categorical, impute: constant, encoding: onehot}
  roof: {type: categorical, encoding: onehot}
  grade: {type: categorical, encoding: ordinal, order: [3, 2, 1]}
""",
    "features/v2.yaml": """\
version: 2
data_contract: 1
tabular_features:
  rooms: {type: numeric}
  area: {type: numeric}
  material: {type: categorical, impute: most_frequent, encoding: onehot}
""",
    "models/v1.yaml": """\
version: 1
model:
  type: ridge
  params: {alpha: 1.0}
""",
    "models/v2.yaml": """\
version: 2
model:
  type: gradient_boosting
  params: {n_estimators: 30, learning_rate: 0.1, max_depth: 3, random_state: 42}
""",
    "models/v3.yaml": """\
version: 3
model:
  type: random_forest
  params: {n_estimators: 20, min_samples_leaf: 2, random_state: 42}
""",
    "models/v4.yaml": """\
version: 4
model:
  type: hist_gradient_boosting
  params: {max_iter: 30, learning_rate: 0.2, random_state: 42}
  target_transform: log1p
""",
}
