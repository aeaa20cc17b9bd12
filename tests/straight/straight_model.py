"""The user's rules once more, straight from their formats: what Laurel's pipeline is compared with.

It shares no code with the product, prepares column by column with plain Python, and asks scikit-learn only
for the estimators themselves.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import Ridge
from xgboost import XGBRegressor

Matrix = NDArray[np.float64]
Features = Mapping[str, Mapping[str, Any]]
REGRESSORS: Mapping[str, Any] = {
    "gradient_boosting": GradientBoostingRegressor,
    "random_forest": RandomForestRegressor,
    "ridge": Ridge,
    "hist_gradient_boosting": HistGradientBoostingRegressor,
    "lightgbm": LGBMRegressor,
    "xgboost": XGBRegressor,
}


def prepared(train: pd.DataFrame, rows: pd.DataFrame, features: Features) -> Matrix:
    """What the estimator sees of `rows`, when the columns were learned from `train`."""
    blocks = [_column(list(train[name]), list(rows[name]), spec) for name, spec in features.items()]
    return np.hstack(blocks)


def predicted(
    train: pd.DataFrame,
    truth: Sequence[float],
    rows: pd.DataFrame,
    features: Features,
    model: Mapping[str, Any],
    seed: int,
) -> Matrix:
    """Fit a model definition's estimator on `train` and predict `rows`."""
    params = {"random_state": seed, **model.get("params", {})}
    regressor = REGRESSORS[model["type"]](**params, **_one_thread(model["type"]))
    logarithmic = model.get("target_transform") == "log1p"
    goal = np.log1p(truth) if logarithmic else np.array(truth)
    regressor.fit(prepared(train, train, features), goal)
    answer = regressor.predict(prepared(train, rows, features))
    return np.asarray(np.expm1(answer) if logarithmic else answer, dtype=float)


def scores(truth: Sequence[float], answer: Sequence[float]) -> dict[str, float]:
    """The three metrics, added up exactly."""
    pairs, rows = list(zip(truth, answer, strict=True)), len(truth)
    gaps = [(math.log1p(max(said, 0)) - math.log1p(max(was, 0))) ** 2 for was, said in pairs]
    mean = math.fsum(truth) / rows
    unexplained = math.fsum((was - said) ** 2 for was, said in pairs)
    return {
        "rmsle": math.sqrt(math.fsum(gaps) / rows),
        "mae": math.fsum(abs(was - said) for was, said in pairs) / rows,
        "r2": 1 - unexplained / math.fsum((was - mean) ** 2 for was in truth),
    }


def _one_thread(kind: str) -> dict[str, Any]:
    boosters = {
        "lightgbm": {"n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True},
        "xgboost": {"n_jobs": 1},
    }
    return boosters.get(kind, {})


def _column(seen: list[Any], values: list[Any], spec: Mapping[str, Any]) -> Matrix:
    seen, values = [_opened(value) for value in seen], [_opened(value) for value in values]
    if spec["type"] == "numeric":
        return _numbers([_number(v) for v in seen], [_number(v) for v in values], spec)
    if "impute" in spec:
        fill = _fill(seen, spec["impute"])
        seen = [fill if value is None else value for value in seen]
        values = [fill if value is None else value for value in values]
    return _codes(seen, values, spec)


def _opened(value: Any) -> Any:
    """None for every kind of null."""
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value  # noqa: PLR0124


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _fill(seen: list[Any], impute: str) -> Any:
    there = [value for value in seen if value is not None]
    if impute == "constant":
        return "missing_value" if all(isinstance(value, str) for value in there) else 0
    if impute == "most_frequent":
        counts = Counter(there)
        return min(value for value, count in counts.items() if count == max(counts.values()))
    return np.mean(there) if impute == "mean" else np.median(there)


def _numbers(seen: list[float | None], values: list[float | None], spec: Mapping[str, Any]) -> Matrix:
    fill = _fill(seen, spec["impute"]) if "impute" in spec else math.nan
    known = np.array([fill if value is None else value for value in seen])
    column = np.array([fill if value is None else value for value in values])
    if "clip" in spec:
        low, high = spec["clip"]
        known, column = np.minimum(np.maximum(known, low), high), np.minimum(np.maximum(column, low), high)
    if spec.get("scaler") == "standard":
        column = (column - known.mean()) / known.std()
    if spec.get("scaler") == "minmax":
        column = (column - known.min()) / (known.max() - known.min())
    return np.asarray(column, dtype=float).reshape(-1, 1)


def _codes(seen: list[Any], values: list[Any], spec: Mapping[str, Any]) -> Matrix:
    if spec["encoding"] == "onehot":
        names = sorted({value for value in seen if value is not None})
        nulls = [None] if None in seen else []
        return np.array([[float(value == name) for name in [*names, *nulls]] for value in values])
    if spec["encoding"] == "ordinal":
        known = list(spec["order"])
    else:
        extra = [_fill(seen, "constant")] if spec.get("impute") == "constant" else []
        known = sorted({*spec["order"], *extra}) if "order" in spec else sorted(set(seen))
    return np.array([[float(known.index(value))] for value in values])
