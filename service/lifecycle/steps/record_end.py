"""What the record says of a run at its end: scores, verdict, status, and the model card."""

import json
from datetime import datetime
from typing import Final

from domain.judged import Judged, metric_of
from domain.model_card import ModelCard
from domain.models import ModelPackage, OpenedRun
from domain.ports.experiment_tracker import ExperimentTracker
from domain.promotion_checks import Champion
from domain.run import FAILED, Failure, Run, ending_of, run_name
from domain.run_record import Decided, Evaluated, RunRecord, present
from domain.tracker_limits import MODEL_CARD, tag_text
from domain.wording import escaped
from service.runtime.provenance import Provenance


def model_card(run: Run, record: RunRecord, provenance: Provenance) -> ModelCard:
    """Write down what a person should know about a run's model; the record tells of its verdict."""
    trained, evaluated = present(record.trained), present(record.evaluated)
    decided, config = present(record.decided), present(record.resolved)
    fates, hashes = present(record.split).fates, present(record.versioned)
    champion = decided.champion if isinstance(decided.champion, Champion) else None
    lineage = {f"dvc {name}": value for name, value in hashes.files.items()}
    lineage |= {f"config {use.family}/{use.name}": use.sha256 for use in config.uses()}
    return ModelCard(
        model_name=run.model_name,
        run_id=run.run_id,
        created_at=run.requested_at.isoformat(timespec="seconds"),
        versions=config.triple,
        model=config.model.model,
        features=config.features,
        target=config.contract.target,
        scores={"train": trained.package.train_score, **evaluated.candidate},
        champion_version=champion.version if champion else None,
        champion_score=champion.score if champion else None,
        verdict=decided.verdict,
        judged=Judged.of_run(record),
        warnings=tuple(warning.message for warning in record.warnings),
        fates=fates.by_name if fates else {},
        lineage=lineage,
        environment={"python": provenance.python_version, **provenance.packages},
    )


NOTE_TAG: Final = "mlflow.note.content"  # what MLflow shows as a run's description


async def record_scores(
    opened: OpenedRun, package: ModelPackage, evaluated: Evaluated, tracker: ExperimentTracker
) -> None:
    """Log every metric of training and evaluation in one call."""
    await tracker.log(opened.mlflow_run_id, metrics=score_metrics(package, evaluated))


def score_metrics(package: ModelPackage, evaluated: Evaluated) -> dict[str, float]:
    """`{train,reference,<name>}_{rmsle,mae,r2}` and durations in seconds; what has no number is absent."""
    scores = {"train": package.train_score, **evaluated.candidate}
    named = {
        f"{data}_{metric}": value for data, score in scores.items() for metric, value in score.metrics.items()
    }
    return named | {"training_duration": package.seconds, "evaluation_duration": evaluated.seconds}


async def close_with_verdict(
    run: Run, mlflow_run_id: str, decided: Decided, tracker: ExperimentTracker, provenance: Provenance
) -> None:
    """End the MLflow run FINISHED, with the verdict and its reasons, in its name and on its page too."""
    metric = decided.verdict.metric or metric_of(run.record)
    record = run.record.with_verdict(decided, metric)
    head = model_card(run, record, provenance).head()
    tags = {**verdict_tags(decided, metric), NOTE_TAG: tag_text(head, MODEL_CARD)}
    name = run_name(run.run_id, present(record.triple), ending_of(decided.verdict, decided.generation))
    await tracker.finish(mlflow_run_id, "FINISHED", tags, name=name, ended_at=_ended_at(run))


def verdict_tags(decided: Decided, metric: str | None) -> dict[str, str]:
    """The user's two tags, and ours that say why."""
    return {
        "pipeline_status": "completed",
        "model_promoted": str(decided.version is not None),
        "laurel.verdict": decided.verdict.decision.value,
        **({"laurel.verdict_metric": metric} if metric else {}),
        "laurel.verdict_reasons": json.dumps(decided.verdict.reasons),
        "laurel.verdict_checks": json.dumps([check.model_dump() for check in decided.verdict.checks]),
    }


async def close_as_failed(run: Run, mlflow_run_id: str, failure: Failure, tracker: ExperimentTracker) -> None:
    """End the MLflow run FAILED, with the reason: it must never look like a training that counts."""
    name = run_name(run.run_id, present(run.record.triple), FAILED)
    tags = failure_tags(run, failure)
    await tracker.finish(mlflow_run_id, "FAILED", tags, name=name, ended_at=_ended_at(run))


def failure_tags(run: Run, failure: Failure) -> dict[str, str]:
    """Say that it failed and why, to those who read tags and to those who read pages."""
    note = f"# {escaped(run.model_name)}: failed\n\nRun `{run.run_id}`: **{failure.reason}**\n\n"
    return {
        "pipeline_status": "failed",
        "laurel.failure": failure.reason,
        "laurel.failure_message": failure.message,
        NOTE_TAG: f"{note}{escaped(failure.message)}\n",
    }


def _ended_at(run: Run) -> datetime | None:
    """When it ended by the run store's clock; None while it has not."""
    return run.updated_at if run.ended else None
