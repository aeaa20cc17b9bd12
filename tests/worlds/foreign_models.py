"""Models as others log them: by MLflow's own means, with cloudpickle, under a name of their own."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mlflow
import pandas as pd
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer


@dataclass(frozen=True)
class ForeignModel:
    """What a run of others left: a logged model, and none of the params that Laurel writes."""

    run_id: str
    uri: str
    model_id: str


def log_foreign(
    tracking_uri: str, experiment: str, frame: pd.DataFrame, target: Sequence[float], *, name: str
) -> ForeignModel:
    """Fit a line behind a function of this module's, which only cloudpickle takes along; log it as `name`."""
    pipeline = make_pipeline(FunctionTransformer(lambda rows: rows * 1.0), Ridge())
    pipeline.fit(frame, target)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_uri)
    try:
        kept = mlflow.set_experiment(experiment)
        with mlflow.start_run(experiment_id=kept.experiment_id) as run:
            mlflow.log_param("made_by", "somebody else")
            logged = _log(pipeline, name, frame)
        return ForeignModel(run.info.run_id, logged.model_uri, logged.model_id)
    finally:
        mlflow.set_tracking_uri(before)


def _log(pipeline: Any, name: str, frame: pd.DataFrame) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own, and of pickles
        return mlflow.sklearn.log_model(
            pipeline,
            name=name,
            serialization_format="cloudpickle",
            signature=mlflow.models.infer_signature(frame),
            pip_requirements=[],
        )


def register_foreign(
    tracking_uri: str, model_name: str, model: ForeignModel, *, alias: str | None = "prod"
) -> int:
    """Make a version of it, as people do, and point the alias at it."""
    client = mlflow.MlflowClient(tracking_uri, tracking_uri)
    if not client.search_registered_models(f"name = '{model_name}'"):
        client.create_registered_model(model_name)
    made = client.create_model_version(model_name, model.uri, model.run_id, model_id=model.model_id)
    if alias is not None:
        client.set_registered_model_alias(model_name, alias, made.version)
    return int(made.version)


def told_of(tracking_uri: str, model_name: str) -> dict[str, Any]:
    """All that MLflow says of a model, its versions and their runs: to be the same before and after."""
    client = mlflow.MlflowClient(tracking_uri, tracking_uri)
    versions = client.search_model_versions(f"name = '{model_name}'")
    runs = {version.run_id: client.get_run(version.run_id).to_dictionary() for version in versions}
    models = client.search_registered_models(f"name = '{model_name}'")
    return {
        "models": [(dict(model.aliases), dict(model.tags), model.last_updated_timestamp) for model in models],
        "versions": [
            (version.version, version.source, dict(version.tags), version.last_updated_timestamp)
            for version in versions
        ],
        "runs": runs,
    }
