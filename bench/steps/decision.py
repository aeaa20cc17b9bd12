"""The last steps: decide, and make the candidate the champion."""

from typing import TYPE_CHECKING

import mlflow
import yaml
from mlflow.entities import RunTag

from bench.steps.order import Request
from bench.steps.tracking import connected

if TYPE_CHECKING:  # when it runs, it would bring the libraries of training along
    from bench.steps.model import Scores, Trained


def decide(request: Request, trained: "Trained", scores: "Scores") -> bool:
    """Say whether the candidate is better than the champion, and tell MLflow."""
    client = connected(request.place)
    mlflow.log_metrics(
        {f"train_{name}": value for name, value in trained.scores.items()}
        | {f"reference_{name}": value for name, value in scores.candidate.items()},
        run_id=trained.run_id,
    )
    better = scores.champion is None or scores.candidate["rmsle"] < scores.champion["rmsle"]
    tags = {"pipeline_status": "completed", "model_promoted": str(better)}
    client.log_batch(trained.run_id, tags=[RunTag(*tag) for tag in tags.items()])
    return better


def promote(request: Request, trained: "Trained", scores: "Scores", better: bool) -> float:  # noqa: FBT001 - a step's value
    """Register the model, make it the champion, write it into the configuration; return its error."""
    if not better:
        raise ValueError("the candidate is no better than the champion")
    client = connected(request.place)
    registered = mlflow.register_model(trained.model_uri, request.place.name)
    client.set_registered_model_alias(request.place.name, "prod", registered.version)
    path = request.place.active_config
    active = yaml.safe_load(path.read_text())
    active["training_defaults"]["model_version"] = request.model_version
    path.write_text(yaml.safe_dump(active, sort_keys=False))
    return scores.candidate["rmsle"]
