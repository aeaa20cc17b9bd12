"""Our MLmodel beside the one that MLflow's own writer makes of a model that is logged."""

import warnings
from asyncio import to_thread
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml
from sklearn.linear_model import Ridge

from domain.models import LoggedModel, ModelRecord
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.model_jobs import upload
from tests.worlds.servers import MlflowServer
from tests.worlds.small_models import dataset, table, trained

Described = Mapping[str, Any]
# What differs because our models say more, or are other models.
OURS_ALONE = {"metadata"}


async def logged_by_us(
    tracker: MlflowExperimentTracker, access: MlflowAccess, run_id: str, folder: Path
) -> tuple[ModelRecord, LoggedModel]:
    """As a lifecycle does: run and logged model, then the package that names both, then its files."""
    run = await tracker.open_run(run_id, "price", {})
    model = await tracker.create_model(run, {}, {})
    record = ModelRecord(
        mlflow_run_id=run.mlflow_run_id, model_id=model.model_id, artifact_uri=model.artifact_uri
    )
    data = dataset(folder / "train.parquet", table())
    package = trained(folder / "run", data, record=record.model_dump())["package"]
    await to_thread(
        upload, package["folder"], model.artifact_uri, package["manifest"], access, str(folder / "cache")
    )
    await tracker.finalize_model(model, {})
    return record, model


def logged_by_mlflow(tracking_uri: str) -> tuple[str, Any]:
    """A run's id and the logged model, made by the fluent client."""
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0]})
    model = Ridge().fit(frame, [1.0, 2.0, 3.0])
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking_uri)
    try:
        experiment = mlflow.set_experiment("described by mlflow")
        with mlflow.start_run(experiment_id=experiment.experiment_id) as run:
            logged = fluently(model, frame)
        return run.info.run_id, mlflow.get_logged_model(logged.model_id)
    finally:
        mlflow.set_tracking_uri(before)


def fluently(model: Any, frame: pd.DataFrame) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
        return mlflow.sklearn.log_model(
            model,
            name="model",
            serialization_format="skops",
            signature=mlflow.models.infer_signature(frame, [1.0]),
            pip_requirements=["scikit-learn"],
        )


def shape(value: Any) -> Any:
    """The keys at every level; of a list or a word only that it is one."""
    if isinstance(value, Mapping):
        return {key: shape(part) for key, part in value.items()}
    return type(value).__name__


async def test_every_field_that_mlflow_writes_is_written_and_means_the_same(
    tracker: MlflowExperimentTracker,
    access: MlflowAccess,
    record: MlflowRecord,
    mlflow_server: MlflowServer,
    run_id: str,
    tmp_path: Path,
) -> None:
    kept, model = await logged_by_us(tracker, access, run_id, tmp_path)
    ours = await described(record, model.artifact_uri)
    their_run, their_model = await to_thread(logged_by_mlflow, mlflow_server.tracking_uri)
    theirs = await described(record, their_model.artifact_location)

    assert shape({**ours, "flavors": known_types(ours)}) == {
        **shape({**theirs, "flavors": known_types(theirs)}),
        **{name: shape(ours[name]) for name in OURS_ALONE},
    }
    for said, run, made, location in (
        (ours, kept.mlflow_run_id, model.model_id, model.artifact_uri),
        (theirs, their_run, their_model.model_id, their_model.artifact_location),
    ):
        assert (said["run_id"], said["model_id"], said["model_uuid"]) == (run, made, made)
        assert said["artifact_path"] == location
    agreeing = {name: value for name, value in theirs.items() if name not in OWN}
    assert {name: ours[name] for name in agreeing} == agreeing
    python, sklearn = "python_function", "sklearn"
    assert ours["flavors"][python] == theirs["flavors"][python]
    listed = {"skops_trusted_types"}
    assert ours["flavors"][sklearn] | dict.fromkeys(listed) == theirs["flavors"][sklearn]


OWN = {
    *("artifact_path", "flavors", "model_id", "model_size_bytes", "model_uuid"),
    *("run_id", "signature", "utc_time_created"),
}


def known_types(said: Described) -> Described:
    """A list of trusted types is there only where an estimator needs one."""
    flavors: dict[str, Any] = said["flavors"]
    return {**flavors, "sklearn": {**flavors["sklearn"], "skops_trusted_types": None}}


async def described(record: MlflowRecord, location: str) -> dict[str, Any]:
    """The MLmodel file as the server holds it."""
    found: dict[str, Any] = yaml.safe_load(await record.artifact(location, "MLmodel"))
    return found
