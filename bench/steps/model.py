"""The third and the fourth step: fit and log a model, and score it beside the champion."""

from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import Any, Final

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import polars as pl
import polars.selectors as cs
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OrdinalEncoder, StandardScaler

from bench.steps.order import Place, Request
from bench.steps.split import Data
from bench.steps.tracking import connected

Numbers = np.ndarray[Any, np.dtype[np.float64]]

_TRUSTED: Final = [
    "numpy.clip",
    "numpy.dtype",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
]
_REQUIREMENTS: Final = [
    f"{name}=={version_of(name)}" for name in ("mlflow", "scikit-learn", "skops", "numpy", "pandas", "scipy")
]


@dataclass(frozen=True)
class Trained:
    """A fitted pipeline, and where MLflow has it."""

    run_id: str
    model_uri: str
    pipeline: Pipeline
    scores: dict[str, float]  # on the rows that it has learned from


@dataclass(frozen=True)
class Scores:
    """What the candidate and the champion, if there is one, make of the same reference."""

    candidate: dict[str, float]
    champion: dict[str, float] | None


def train(request: Request, data: Data, hashes: dict[str, str]) -> Trained:
    """Fit the model in a run of MLflow, and log it."""
    connected(request.place)
    contract, features = _documents(request.place)
    model = request.place.read(f"models/v{request.model_version}")["model"]
    with mlflow.start_run() as run:
        mlflow.log_params(
            {"split_version": 1, "feature_version": 1, "model_version": request.model_version, **hashes}
            | {"model_type": model["type"], **model["params"]}
        )
        mlflow.log_metrics({f"{part}_rows": frame.height for part, frame in vars(data).items()})
        estimator = HistGradientBoostingRegressor(**model["params"])
        pipeline = Pipeline([("preprocessing", _preprocessing(features)), ("model", estimator)])
        pipeline.fit(_frame(data.train, features), data.train[contract["target"]].to_numpy())
        scores = _score(pipeline, data.train, features, contract)
        logged = _log_model(pipeline, features, data.train)
    return Trained(run.info.run_id, logged.model_uri, pipeline, scores)


def evaluate(request: Request, data: Data, trained: Trained) -> Scores:
    """Score candidate and champion on the reference."""
    contract, features = _documents(request.place)
    candidate = _score(trained.pipeline, data.reference, features, contract)
    name = request.place.name
    try:
        connected(request.place).get_model_version_by_alias(name, "prod")
    except MlflowException:
        return Scores(candidate, None)
    champion = mlflow.sklearn.load_model(f"models:/{name}@prod")
    return Scores(candidate, _score(champion, data.reference, features, contract))


def _documents(place: Place) -> tuple[dict[str, Any], dict[str, Any]]:
    return place.read("data_contracts/v1"), place.read("features/v1")


def _log_model(pipeline: Pipeline, features: dict[str, Any], train: pl.DataFrame) -> Any:
    example = _frame(train.head(100), features)
    return mlflow.sklearn.log_model(
        pipeline,
        name="model",
        serialization_format="skops",
        skops_trusted_types=_TRUSTED,
        signature=infer_signature(example, pipeline.predict(example)),
        pip_requirements=_REQUIREMENTS,
    )


def _frame(part: pl.DataFrame, features: dict[str, Any]) -> pd.DataFrame:
    columns = part.select(*features["tabular_features"])
    return columns.with_columns(cs.integer().cast(pl.Float64)).to_pandas()


def _preprocessing(features: dict[str, Any]) -> ColumnTransformer:
    steps = [(name, _column(spec), [name]) for name, spec in features["tabular_features"].items()]
    return ColumnTransformer(steps)


def _column(spec: dict[str, Any]) -> Any:
    steps: list[tuple[str, Any]] = []
    if "impute" in spec:
        steps.append(("impute", SimpleImputer(strategy=spec["impute"])))
    if "clip" in spec:
        bounds = {"a_min": spec["clip"][0], "a_max": spec["clip"][1]}
        steps.append(("clip", FunctionTransformer(np.clip, kw_args=bounds)))
    if "scaler" in spec:
        steps.append(("scale", StandardScaler()))
    if "encoding" in spec:
        steps.append(("encode", OrdinalEncoder(categories=[spec["order"]])))
    return Pipeline(steps) if steps else "passthrough"


def _score(
    model: Any, part: pl.DataFrame, features: dict[str, Any], contract: dict[str, Any]
) -> dict[str, float]:
    truth = part[contract["target"]].to_numpy().astype(np.float64)
    predictions: Numbers = np.asarray(model.predict(_frame(part, features)))
    logs = np.log1p(np.maximum(predictions, 0)) - np.log1p(np.maximum(truth, 0))
    return {
        "rmsle": float(np.sqrt(np.mean(logs**2))),
        "mae": float(mean_absolute_error(truth, predictions)),
        "r2": float(r2_score(truth, predictions)),
    }
