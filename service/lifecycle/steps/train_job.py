"""Train: from the train part to a package on disk."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from domain.arrays import Floats
from domain.datasets import seal
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.job_results import TrainedPackage
from domain.metrics import Score, finite_metrics, measure
from domain.model_types import MODEL_TYPES, ModelDefinition
from domain.models import ModelPackage, PackageFiles
from domain.points import Point
from service.adapters.files.atomic import publish_folder
from service.adapters.mlflow.model_package import (
    PackagedModel,
    environment_files,
    manifest_of_files,
    package_files,
    travelling_files,
)
from service.adapters.pyarrow.datasets import Table, TableColumns, floats_of, range_of, read_dataset
from service.adapters.pyarrow.frame_rules import FitNeeds, frame_faults
from service.adapters.sklearn.encoding import Widths
from service.adapters.sklearn.fitting import Fitted, fit, predict
from service.adapters.sklearn.loading import listed_types, skops_bytes
from service.lifecycle.steps.fit_memory import least_matrix, matrix_of, require_memory
from service.lifecycle.steps.jobs import TrainJob
from service.models.golden_rows import GOLDEN, Picked, golden_rows
from service.models.memory import MEMORY, LoadedModel, Schema
from service.processes.child import report

MODEL_FOLDER: Final = "model"


def train(job: TrainJob) -> TrainedPackage:
    """Fit the candidate and leave its package in `<run_folder>/model/`.

    Safe to repeat: the package is made again. What the fit does not change of it is reported before the fit,
    `{"plain_files": {path: bytes}}`, and the package as soon as it is on the disk, `{"package":
    PackageFiles}`: the upload need wait for neither the fit nor the train metrics.

    Raises NeverRetry: `dataset_digest_mismatch`, `unreadable_dataset`, `bad_config`, `frame_invalid`,
    `fit_failed`, `out_of_memory`; TryLater: `disk_full`, `file_error`.
    """
    started = time.perf_counter()
    report({"point": Point.TRAIN_CHILD_STARTED.value})
    schema = Schema(job.features, job.contract, job.contract.target)
    given = _read(job, schema)
    plain_files = _plain_files(job, given, schema)
    report({"plain_files": plain_files})
    before_fit = time.perf_counter()
    fitted = _fitted(job, schema, given)
    fit_seconds = time.perf_counter() - before_fit
    report({"point": Point.TRAIN_AFTER_FIT.value})
    with ThreadPoolExecutor(1) as beside:
        predicting = beside.submit(fitted.predictions)  # mostly without the interpreter's lock
        contents = _contents(job, given, schema, fitted, plain_files)
        package = _publish(job.run_folder / MODEL_FOLDER, contents)
        model_in_memory = LoadedModel(partial(predict, fitted.pipeline), schema.features.columns, schema)
        MEMORY.keep(package.digest, model_in_memory)
        report({"package": package})
        measured = measure(given.truth, predicting.result())
    metrics = finite_metrics(measured)
    return TrainedPackage(
        package=ModelPackage(
            folder=package.folder,
            manifest=package.manifest,
            digest=package.digest,
            params=dict(job.model.model.params),
            train_score=Score(metrics=metrics, dataset_digest=job.part.sha256, rows=len(given.truth)),
            seconds=time.perf_counter() - started,
        ),
        not_finite=tuple(sorted(measured.keys() - metrics.keys())),
        columns=schema.features.columns,
        fit_seconds=fit_seconds,
        package_bytes=sum(map(len, contents.values())),
    )


class _Given(NamedTuple):
    """What a fit is given, without the table that it came from."""

    columns: TableColumns
    truth: Floats
    widths: Widths
    picked: Picked
    ranges: Mapping[str, tuple[float, float]]


def _read(job: TrainJob, schema: Schema) -> _Given:
    model_type, columns = job.model.model.type, schema.features.columns
    require_memory(least_matrix(model_type, job.part.rows, job.features), job.memory_bytes)
    table = _table(job, schema)
    truth = checked_target(table, schema, job.model)
    matrix = matrix_of(model_type, table, job.features)
    require_memory(matrix, job.memory_bytes)
    picked, ranges = Picked.of(table, columns), _ranges(table, schema)
    kind = MODEL_TYPES[model_type]
    widths = Widths(matrix.widths, matrix.sparse, kind.by_rows, kind.single_precision)
    return _Given(TableColumns(table, columns), truth, widths, picked, ranges)


def _fitted(job: TrainJob, schema: Schema, given: _Given) -> Fitted:
    return fit(
        schema.features,
        schema.contract,
        job.model.model,
        given.columns,
        given.truth,
        job.seed,
        threads=job.threads,
        widths=given.widths,
    )


def _table(job: TrainJob, schema: Schema) -> Table:
    columns = [*schema.features.columns, schema.target]
    return read_dataset(job.part.path, job.part.sha256, "train", columns)


def checked_target(table: Table, schema: Schema, definition: ModelDefinition) -> Floats:
    """The target of a table that is fit to be learned from. Raises NeverRetry `frame_invalid`."""
    fit_needs = FitNeeds(takes_nulls=MODEL_TYPES[definition.model.type].takes_nulls)
    faults = frame_faults(table, schema.features, schema.contract, schema.target, fit_needs)
    if faults:
        raise _invalid(faults)
    truth = floats_of(table, schema.target)
    if definition.model.target_transform == "log1p" and (below := int(np.sum(truth <= -1))):
        what = f"target_transform: log1p needs a target above -1, and {below} rows have a lower one"
        raise _invalid([Fault(code="target_out_of_range", field=schema.target, message=what)])
    return truth


def _invalid(faults: Sequence[Fault]) -> NeverRetry:
    return NeverRetry(
        "frame_invalid",
        f"the train part cannot be trained on: {'; '.join(fault.message for fault in faults[:5])}",
        faults=[fault.model_dump(mode="json") for fault in faults],
    )


def _publish(folder: Path, contents: Mapping[str, bytes]) -> PackageFiles:
    manifest = manifest_of_files(contents)
    publish_folder(folder, contents)
    return PackageFiles(folder=str(folder), manifest=manifest, digest=seal(manifest))


def _plain_files(job: TrainJob, given: _Given, schema: Schema) -> dict[str, bytes]:
    """The files that are known before the fit, by relative path."""
    model = job.model.model
    travelling = {
        "feature_schema": schema.features.model_dump(mode="json"),
        "data_contract": schema.contract.model_dump(mode="json"),
        "model_definition": model.model_dump(mode="json"),
        "target": {"name": schema.target, "transform": model.target_transform},
        "training_ranges": dict(given.ranges),
    }
    return {**environment_files(model.type), **travelling_files(travelling)}


def _contents(
    job: TrainJob, given: _Given, schema: Schema, fitted: Fitted, plain_files: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The bytes of the package's files by relative path."""

    def others(places: Sequence[int]) -> Picked:
        return Picked.of(_table(job, schema), schema.features.columns, places)

    model = job.model.model
    golden = travelling_files({GOLDEN: golden_rows(given.picked, fitted, others)})
    metadata = {
        "model_type": model.type,
        "target": schema.target,
        "feature_version": schema.features.version,
        "model_version": job.model.version,
        "data_contract_version": schema.contract.version,
        "train_sha256": job.part.sha256,
    }
    return package_files(
        PackagedModel(
            skops=skops_bytes(fitted.pipeline),
            model_type=model.type,
            columns=schema.features.columns,
            listed_types=listed_types(model.type),
            metadata=metadata,
            record=job.record,
        ),
        {**plain_files, **golden},
    )


def _ranges(table: Table, schema: Schema) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each number: what lies beyond was never learned from."""
    numbers = [name for name, spec in schema.features.tabular_features.items() if spec.type == "numeric"]
    return {name: found for name in numbers if (found := range_of(table, name)) is not None}
