"""What a run's figures must be, by the straight implementations alone: from the master's rows to metrics."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from tests.e2e.deployment import Deployment
from tests.straight import straight_model
from tests.straight.straight_split import straight_split

SEED = 42  # the default of CHILD__SEED


@dataclass(frozen=True)
class StraightRun:
    """Rows by part, predictions of the reference's rows, and every metric under MLflow's name."""

    parts: Mapping[str, pd.DataFrame]
    predictions: list[float]
    metrics: Mapping[str, float]


def straight_run(deployment: Deployment, splits: str, features: str, models: str) -> StraightRun:
    """Split, fit and score as the three files say."""
    rules, model = deployment.config(splits), deployment.config(models)["model"]
    columns = deployment.config(features)["tabular_features"]
    parts = _parts(deployment, rules)
    answers = _answers(parts, columns, model)
    metrics: dict[str, float] = {}
    for name, part in parts.items():
        said = straight_model.scores(_truth(part), answers[name])
        metrics |= {f"{name}_{metric}": value for metric, value in said.items()}
        metrics[f"{name}_rows"] = len(part)
    metrics["optional_test_count"] = len(parts) - 2
    return StraightRun(parts, answers["reference"], metrics)


def _parts(deployment: Deployment, rules: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    master = pq.read_table(deployment.world.master)
    places = straight_split(master.to_pandas(), rules)
    rows = pd.DataFrame(master.to_pylist(), columns=master.column_names, dtype="object")
    return {name: rows.iloc[found].reset_index(drop=True) for name, found in places.items() if found}


def _answers(
    parts: Mapping[str, pd.DataFrame], columns: Mapping[str, Any], model: Mapping[str, Any]
) -> dict[str, list[float]]:
    """One fit, and every part's rows in one prediction."""
    train = parts["train"]
    everything = pd.concat(list(parts.values()), ignore_index=True)[list(columns)]
    said = iter(straight_model.predicted(train, _truth(train), everything, columns, model, SEED).tolist())
    return {name: list(islice(said, len(part))) for name, part in parts.items()}


def _truth(part: pd.DataFrame) -> list[float]:
    return [float(value) for value in part["cost"]]
