"""Score: one model on the very bytes of one or more datasets."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from domain.errors import ModelUnusable
from domain.metrics import Floats, finite_metrics, measure
from service.adapters.pyarrow.datasets import Table, exact_frame_of, floats_of, frame_of, read_dataset
from service.adapters.pyarrow.frame_rules import frame_faults, target_faults
from service.adapters.pyarrow.predictions import write_predictions
from service.tasks.model_folder import ModelFolder, open_model
from service.tasks.model_memory import LoadedModel


def score(
    *,
    model_folder: str,
    manifest: Mapping[str, str],
    datasets: Mapping[str, Mapping[str, Any]],
    target: str,
    load_foreign: bool = False,
    foreign_columns: Sequence[str] = (),
    predictions_folder: str | None = None,
    locality_column: str | None = None,
) -> dict[str, Any]:
    """Score the model in a folder on every dataset, by name: `{name: {path, sha256, …}}`.

    `target` is the column that is predicted. The answer holds `scores` (name → the JSON of a Score),
    `not_finite` (name → metrics without a number), `predictions` (name → Parquet file with `truth`,
    `prediction` and `locality`; only with `predictions_folder`), `model_digest`, `from_memory`, `seconds`.
    A model that this process holds is not read again. `foreign_columns` are for a foreign model without a
    signature.

    Raises NeverRetry: `reference_digest_mismatch`, `dataset_digest_mismatch`, `unreadable_dataset`; and
    ModelUnusable: `model_digest_mismatch`, `foreign_model`, `untrusted_type`, `unloadable_model`,
    `other_target`, `frame_invalid`, `cannot_predict`.
    """
    started = time.perf_counter()
    folder = ModelFolder(model_folder, manifest)
    model, from_memory = open_model(folder, allow_foreign=load_foreign, foreign_columns=foreign_columns)
    if model.schema is not None and model.schema.target != target:
        raise ModelUnusable(
            "other_target", f"the model predicts {model.schema.target!r}, asked for is {target!r}"
        )
    scored: dict[str, _Scored] = {}
    for name, dataset in datasets.items():
        columns = [*model.columns, target, *([locality_column] if locality_column else [])]
        table = read_dataset(dataset["path"], dataset["sha256"], name, columns)
        scored[name] = _Scored(table, *predict_rows(model, table, target, name), dataset["sha256"])
    files = {
        name: _keep(one, Path(predictions_folder) / f"{name}-{folder.digest[:12]}.parquet", locality_column)
        for name, one in scored.items()
        if predictions_folder is not None
    }
    outcomes = {name: one.outcome() for name, one in scored.items()}
    return {
        "scores": {name: score for name, (score, _) in outcomes.items()},
        "not_finite": {name: names for name, (_, names) in outcomes.items()},
        "predictions": files,
        "model_digest": folder.digest,
        "from_memory": from_memory,
        "seconds": time.perf_counter() - started,
    }


class _Scored(NamedTuple):
    """One dataset with what the model said about its rows."""

    table: Table
    truth: Floats
    predictions: Floats
    sha256: str

    def outcome(self) -> tuple[dict[str, Any], list[str]]:
        """The JSON of a Score, and the metrics that have no number."""
        measured = measure(self.truth, self.predictions)
        metrics = finite_metrics(measured)
        score = {"metrics": metrics, "dataset_digest": self.sha256, "rows": self.table.num_rows}
        return score, sorted(measured.keys() - metrics.keys())


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


def _keep(one: _Scored, path: Path, locality_column: str | None) -> str:
    known = locality_column in one.table.column_names
    write_predictions(path, one.truth, one.predictions, one.table.column(locality_column) if known else None)
    return str(path)
