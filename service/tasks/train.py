"""Train: from the train part to a package on disk."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.data_contract import DataContract
from domain.errors import NeverRetry
from domain.faults import Fault
from domain.feature_schema import FeatureSchema
from domain.manifest import seal
from domain.metrics import Floats, finite_metrics, measure
from domain.model_definition import ModelDefinition
from domain.models import ModelRecord
from domain.points import Point
from service.adapters.files.folders import publish_folder
from service.adapters.mlflow.model_package import PackagedModel, manifest_of_files, package_files
from service.adapters.pyarrow.datasets import Table, exact_frame_of, floats_of, range_of, read_dataset
from service.adapters.pyarrow.frame_rules import FitNeeds, frame_faults
from service.adapters.sklearn.estimators import takes_nulls
from service.adapters.sklearn.fitting import Fitted, fit, predict
from service.adapters.sklearn.loading import listed_types
from service.adapters.sklearn.saving import skops_bytes
from service.children.progress import report
from service.tasks.documents import parse
from service.tasks.golden_rows import GOLDEN, golden_rows
from service.tasks.model_memory import MEMORY, LoadedModel, Schema

MODEL_FOLDER: Final = "model"


def train(
    *,
    train_path: str,
    train_sha256: str,
    contract: Mapping[str, Any],
    features: Mapping[str, Any],
    model: Mapping[str, Any],
    run_folder: str,
    seed: int,
    record: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Fit the candidate on the bytes with this sha256 and leave its package in `<run_folder>/model/`.

    `contract`, `features`, `model` and `record` are the JSON of DataContract, FeatureSchema, ModelDefinition
    and ModelRecord; without a record the package does not say which run it is of. The answer holds `package`
    (the JSON of a ModelPackage), `not_finite` (train metrics without a number), `columns`, `fit_seconds`
    (preprocessing included) and `package_bytes`. Safe to repeat: the package is made anew. As soon as the
    package is on the disk, it is reported as progress, `{"package": {folder, manifest, digest}}`: its upload
    need not wait for the train metrics.

    Raises NeverRetry: `dataset_digest_mismatch`, `unreadable_dataset`, `bad_config`, `frame_invalid`,
    `fit_failed`; TryLater: `disk_full`, `file_error`.
    """
    started = time.perf_counter()
    report({"point": Point.TRAIN_CHILD_STARTED.value})
    schema = _schema(features, contract)
    definition = parse(ModelDefinition, model)
    table = read_dataset(train_path, train_sha256, "train", [*schema.features.columns, schema.target])
    truth = _checked_target(table, schema, definition)
    frame = exact_frame_of(table, schema.features.columns)
    before_fit = time.perf_counter()
    fitted = fit(schema.features, schema.contract, definition.model, frame, truth, seed)
    fit_seconds = time.perf_counter() - before_fit
    report({"point": Point.TRAIN_AFTER_FIT.value})
    with ThreadPoolExecutor(1) as beside:
        predicting = beside.submit(fitted.predictions)  # mostly without the interpreter's lock
        kept = None if record is None else parse(ModelRecord, record)
        files = _files(table, schema, definition, fitted, train_sha256, kept)
        package = _publish(Path(run_folder) / MODEL_FOLDER, files)
        model_in_memory = LoadedModel(partial(predict, fitted.pipeline), schema.features.columns, schema)
        MEMORY.keep(package["digest"], model_in_memory)
        report({"package": package})
        measured = measure(truth, predicting.result())
    metrics = finite_metrics(measured)
    return {
        "package": {
            **package,
            "params": dict(definition.model.params),
            "train_score": {"metrics": metrics, "dataset_digest": train_sha256, "rows": len(truth)},
            "seconds": time.perf_counter() - started,
        },
        "not_finite": sorted(measured.keys() - metrics.keys()),
        "columns": list(schema.features.columns),
        "fit_seconds": fit_seconds,
        "package_bytes": sum(len(data) for data in files.values()),
    }


def _schema(features: Mapping[str, Any], contract: Mapping[str, Any]) -> Schema:
    checked = parse(DataContract, contract)
    return Schema(parse(FeatureSchema, features), checked, checked.target)


def _checked_target(table: Table, schema: Schema, definition: ModelDefinition) -> Floats:
    """The target of a table that is fit to be learned from. Raises NeverRetry `frame_invalid`."""
    fit_needs = FitNeeds(takes_nulls=takes_nulls(definition.model.type))
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
        f"the train part cannot be learned from: {'; '.join(fault.message for fault in faults[:5])}",
        faults=[fault.model_dump(mode="json") for fault in faults],
    )


def _publish(folder: Path, files: Mapping[str, bytes]) -> dict[str, Any]:
    manifest = manifest_of_files(files)
    publish_folder(folder, files)
    return {"folder": str(folder), "manifest": manifest, "digest": seal(manifest)}


def _files(
    table: Table,
    schema: Schema,
    definition: ModelDefinition,
    fitted: Fitted,
    train_sha256: str,
    record: ModelRecord | None,
) -> dict[str, bytes]:
    model = definition.model
    travelling = {
        "feature_schema": schema.features.model_dump(mode="json"),
        "data_contract": schema.contract.model_dump(mode="json"),
        "model_definition": model.model_dump(mode="json"),
        "target": {"name": schema.target, "transform": model.target_transform},
        GOLDEN: golden_rows(table, schema.features.columns, fitted),
        "training_ranges": _ranges(table, schema),
    }
    metadata = {
        "model_type": model.type,
        "target": schema.target,
        "feature_version": schema.features.version,
        "model_version": definition.version,
        "data_contract_version": schema.contract.version,
        "train_sha256": train_sha256,
    }
    return package_files(
        PackagedModel(
            skops=skops_bytes(fitted.pipeline),
            model_type=model.type,
            columns=schema.features.columns,
            listed_types=listed_types(model.type),
            travelling=travelling,
            metadata=metadata,
            record=record,
        )
    )


def _ranges(table: Table, schema: Schema) -> dict[str, tuple[float, float]]:
    """The least and the greatest value of each number: what lies beyond was never learned from."""
    numbers = [name for name, spec in schema.features.tabular_features.items() if spec.type == "numeric"]
    return {name: found for name in numbers if (found := range_of(table, name)) is not None}
