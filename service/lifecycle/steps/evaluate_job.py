"""Score one model on the very bytes of datasets; compare what two models say of every row of one."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from domain.arrays import Floats
from domain.comparison import same_predictions
from domain.errors import ModelUnusable
from domain.job_results import ModelScores
from domain.metrics import Score, finite_metrics, measure
from service.adapters.pyarrow.datasets import (
    Table,
    exact_frame_of,
    floats_of,
    frame_of,
    read_dataset,
    write_predictions,
)
from service.adapters.pyarrow.frame_rules import frame_faults, target_faults
from service.lifecycle.steps.jobs import CompareJob, KeptPredictions, ModelOnDisk, ScoreJob
from service.models.load import ModelFolder, open_model
from service.models.memory import LoadedModel


def score(job: ScoreJob) -> ModelScores:
    """Score the model on every dataset. A model that this process holds is not read again.

    Raises NeverRetry: `reference_digest_mismatch`, `dataset_digest_mismatch`, `unreadable_dataset`; and
    ModelUnusable: `model_digest_mismatch`, `foreign_model`, `untrusted_type`, `unloadable_model`,
    `other_target`, `frame_invalid`, `cannot_predict`.
    """
    started = time.perf_counter()
    folder, target = ModelFolder(job.model.folder, job.model.manifest), job.target
    model, from_memory = open_model(
        folder, allow_foreign=job.model.foreign, foreign_columns=job.foreign_columns
    )
    if model.schema is not None and model.schema.target != target:
        raise ModelUnusable(
            "other_target", f"the model predicts {model.schema.target!r}, the run predicts {target!r}"
        )
    columns = [*model.columns, target, *([job.keep.locality_column] if job.keep.locality_column else [])]
    scored: dict[str, _Scored] = {}
    for name, dataset in job.datasets.items():
        table = read_dataset(dataset.path, dataset.sha256, name, columns)
        scored[name] = _Scored(table, *predict_rows(model, table, target, name), dataset.sha256)
    measured = {name: measure(one.truth, one.predictions) for name, one in scored.items()}
    finite = {name: finite_metrics(metrics) for name, metrics in measured.items()}
    return ModelScores(
        scores={name: one.score(finite[name]) for name, one in scored.items()},
        not_finite={name: tuple(sorted(measured[name].keys() - finite[name].keys())) for name in scored},
        predictions=_kept(scored, job.keep, folder.digest[:12]),
        model_digest=folder.digest,
        from_memory=from_memory,
        seconds=time.perf_counter() - started,
    )


class _Scored(NamedTuple):
    """One dataset with what the model said about its rows."""

    table: Table
    truth: Floats
    predictions: Floats
    sha256: str

    def score(self, metrics: Mapping[str, float]) -> Score:
        return Score(metrics=metrics, dataset_digest=self.sha256, rows=self.table.num_rows)


def predict_rows(model: LoadedModel, table: Table, target: str, name: str) -> tuple[Floats, Floats]:
    """The truth of every row, and what the model says. Raises ModelUnusable."""
    if model.schema is None:
        faults = list(target_faults(table, target))
    else:
        faults = frame_faults(table, model.schema.features, model.schema.contract, target)
    missing = [column for column in model.columns if column not in table.column_names]
    if faults or missing:
        said = [fault.message for fault in faults] or [f"columns are missing: {', '.join(missing)}"]
        raise ModelUnusable(
            "frame_invalid",
            f"the model cannot be scored on {name}: {'; '.join(said[:5])}",
            faults=[fault.model_dump(mode="json") for fault in faults],
        )
    read = frame_of if model.schema is None else exact_frame_of
    return floats_of(table, target), model.predict(read(table, model.columns))


def _kept(scored: Mapping[str, _Scored], keep: KeptPredictions, digest: str) -> dict[str, str]:
    """The file of each dataset's predictions, by its name."""
    if keep.folder is None:
        return {}
    paths = {name: keep.folder / f"{name}-{digest}.parquet" for name in scored}
    for name, one in scored.items():
        is_known = keep.locality_column in one.table.column_names
        localities = one.table.column(keep.locality_column) if is_known else None
        write_predictions(paths[name], one.truth, one.predictions, localities)
    return {name: str(path) for name, path in paths.items()}


_NAME = "reference"


def compare(job: CompareJob) -> bool:
    """Ask both models for the reference: True when they say the same.

    A model that this process holds is not read again. Raises NeverRetry and ModelUnusable as `score` does.
    """
    return same_predictions(_predictions(job.candidate, job), _predictions(job.champion, job))


def _predictions(model: ModelOnDisk, job: CompareJob) -> Floats:
    folder = ModelFolder(model.folder, model.manifest)
    loaded, _ = open_model(folder, allow_foreign=model.foreign, foreign_columns=job.foreign_columns)
    columns = [*loaded.columns, job.target]
    table = read_dataset(job.reference.path, job.reference.sha256, _NAME, columns)
    return predict_rows(loaded, table, job.target, _NAME)[1]
