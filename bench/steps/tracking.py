"""MLflow, in the place of a request."""

from functools import cache

import mlflow
from mlflow import MlflowClient

from bench.steps.order import Place


@cache
def connected(place: Place) -> MlflowClient:
    """Point this process to the place's experiment, once."""
    mlflow.set_tracking_uri(place.tracking_uri)
    mlflow.set_experiment(place.name)
    return MlflowClient()
