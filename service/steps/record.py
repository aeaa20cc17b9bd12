"""What the record says of a run at its end: scores, verdict, status."""

import json
from datetime import datetime

from domain.models import ModelPackage, OpenedRun
from domain.run import Failure
from service.steps.outputs import Decided, Evaluated
from service.world import World


async def record_scores(opened: OpenedRun, package: ModelPackage, evaluated: Evaluated, world: World) -> None:
    """Log every metric of training and evaluation in one call."""
    await world.tracker.log(opened.mlflow_run_id, metrics=score_metrics(package, evaluated))


def score_metrics(package: ModelPackage, evaluated: Evaluated) -> dict[str, float]:
    """`{train,reference,<name>}_{rmsle,mae,r2}` and durations in seconds; what has no number is absent."""
    scores = {"train": package.train_score, **evaluated.candidate}
    named = {
        f"{data}_{metric}": value for data, score in scores.items() for metric, value in score.metrics.items()
    }
    return named | {"training_duration": package.seconds, "evaluation_duration": evaluated.seconds}


async def close_with_verdict(opened: OpenedRun, decided: Decided, world: World) -> None:
    """End the MLflow run FINISHED, with the verdict and its reasons."""
    await world.tracker.finish(opened.mlflow_run_id, "FINISHED", verdict_tags(decided))


def verdict_tags(decided: Decided) -> dict[str, str]:
    """The user's two tags, and ours that say why."""
    return {
        "pipeline_status": "completed",
        "model_promoted": str(decided.version is not None),
        "laurel.verdict": decided.verdict.decision.value,
        "laurel.verdict_reasons": json.dumps(decided.verdict.reasons),
        "laurel.verdict_checks": json.dumps([check.model_dump() for check in decided.verdict.checks]),
    }


async def close_as_failed(
    mlflow_run_id: str, failure: Failure, world: World, *, ended_at: datetime | None = None
) -> None:
    """End the MLflow run FAILED, with the reason: it must never look like a training that counts."""
    tags = {
        "pipeline_status": "failed",
        "laurel.failure": failure.reason,
        "laurel.failure_message": failure.message,
    }
    await world.tracker.finish(mlflow_run_id, "FAILED", tags, ended_at=ended_at)
