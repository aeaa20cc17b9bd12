"""One training's whole record: within its budget of calls, and the user's own tools load what it made.

Its cost: lifecycles' records, written to the real MLflow and read back with its own tools.
"""

# ruff: noqa: ASYNC240 - a test's own small files

import hashlib
import json
import os
import subprocess
import sys
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient
from mlflow.data import get_source
from mlflow.types.schema import Schema
from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

from domain.datasets import dataset_inputs, seal
from domain.models import LoggedModel, OpenedRun
from service.adapters.mlflow.access import MlflowAccess, library_environment
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from tests.harm.proxies import FaultProxy
from tests.integration.mlflow import plain_mlflow
from tests.kit.builders import a_config, some_hashes, some_parts
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.model_jobs import upload, upload_texts
from tests.worlds.servers import MlflowServer

CONTRACT, PARTS = a_config().contract, some_parts("recent_1_year")
HASHES = some_hashes(PARTS)
MOST_CALLS = 32  # before model.promoted, for all that MLflow is told and asked


class Lifecycle(NamedTuple):
    """What one run left, and what it cost."""

    opened: OpenedRun
    model: LoggedModel
    version: int
    calls: int


def predicted(access: MlflowAccess, *uris: str) -> list[str]:
    """Run the user's script where our package cannot be imported."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-I", plain_mlflow.__file__, *uris],
        env={**os.environ, **library_environment(access)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model in skops, as MLflow itself saves it."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    plain_mlflow.save(str(folder))
    return folder


@pytest.fixture
async def lifecycle(
    tracker: MlflowExperimentTracker,
    registry: MlflowModelRegistry,
    proxy: FaultProxy,
    access: MlflowAccess,
    package: Path,
    tmp_path: Path,
    run_id: str,
    model_name: str,
) -> Lifecycle:
    """All that a promotion tells MLflow, in its order."""
    before = await tracker.open_run(f"before-{run_id}", "price", {})  # the experiment is known from then on
    first = await tracker.create_model(before, {}, {})
    await registry.register(model_name, first, before.mlflow_run_id, {})
    start = proxy.requests
    opened = await tracker.open_run(run_id, "price-1", {"laurel.request": "r-1"})
    params = {"split_version": 1, "feature_version": 2, "model_version": 3, "model_type": "ridge"}
    await tracker.log(
        opened.mlflow_run_id, params=params, metrics={"train_rows": 3}, tags={"laurel.dvc": "{}"}
    )
    await tracker.log_inputs(opened.mlflow_run_id, tuple(dataset_inputs(CONTRACT, PARTS, HASHES)))
    texts = {"laurel/record.json": "{}", "laurel/contract.json": "{}"}
    await to_thread(upload_texts, opened.artifact_uri, texts, access)
    model = await tracker.create_model(opened, params, {"laurel.feature_version": "2"})
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in package.iterdir()}
    await to_thread(upload, str(package), model.artifact_uri, files, access, str(tmp_path))
    await tracker.finalize_model(model, {"laurel.model_digest": "d"})
    await tracker.log(opened.mlflow_run_id, metrics={"train_rmsle": 0.1, "reference_rmsle": 0.2})
    champion = await registry.alias_version(model_name)
    tags = {"laurel.generation": "1", "laurel.model_digest": seal(files), "feature_version": "2"}
    version = await registry.register(
        model_name, model, opened.mlflow_run_id, tags, description="**PROMOTE**, generation 1"
    )
    await registry.set_alias(model_name, version.version)
    assert (champion, await registry.alias_version(model_name)) == (None, version.version)
    tags = {"pipeline_status": "completed", "mlflow.note.content": "# price: ridge"}
    await tracker.finish(opened.mlflow_run_id, "FINISHED", tags, name="price-1 promoted g1")
    return Lifecycle(opened, model, version.version, proxy.requests - start)


async def test_a_promotion_stays_within_its_budget_of_calls(
    lifecycle: Lifecycle, package: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("calls", lifecycle.calls)
    sys.stdout.write(f"{lifecycle.calls} calls, {len(list(package.iterdir()))} of them files\n")
    assert lifecycle.calls <= MOST_CALLS


async def test_plain_mlflow_loads_the_model_by_version_alias_and_run(
    lifecycle: Lifecycle, mlflow_server: MlflowServer, model_name: str
) -> None:
    """By each of the three names that the user's tools use, without our package."""
    uris = [
        f"models:/{model_name}/{lifecycle.version}",
        f"models:/{model_name}@prod",
        f"runs:/{lifecycle.opened.mlflow_run_id}/model",
    ]
    found = await to_thread(predicted, MlflowAccess(mlflow_server.tracking_uri), *uris)
    assert found == ["11.000000"] * 3


def test_plain_mlflow_shows_name_description_and_datasets(
    lifecycle: Lifecycle, mlflow_server: MlflowServer, model_name: str
) -> None:
    """What a person reads on MLflow's pages, by its own client."""
    client = MlflowClient(mlflow_server.tracking_uri, mlflow_server.tracking_uri)
    run = client.get_run(lifecycle.opened.mlflow_run_id)
    assert (run.info.run_name, run.data.tags["mlflow.runName"]) == ("price-1 promoted g1",) * 2
    assert run.data.tags["mlflow.note.content"] == "# price: ridge"
    version = client.get_model_version(model_name, str(lifecycle.version))
    assert version.description == "**PROMOTE**, generation 1"
    assert "`prod`" in client.get_registered_model(model_name).description
    assert client.get_experiment(run.info.experiment_id).tags["mlflow.note.content"]
    found = {one.dataset.name: one for one in run.inputs.dataset_inputs}
    assert set(found) == {"master", "train", "reference", "recent_1_year"}
    train, file = found["train"], PARTS.train
    assert file.sha256.startswith(train.dataset.digest)
    assert len(train.dataset.digest) == MAX_DATASET_DIGEST_SIZE
    assert {tag.key: tag.value for tag in train.tags} == {"mlflow.data.context": "training"}
    assert get_source(train).uri == file.path
    assert json.loads(train.dataset.source)["sha256"] == file.sha256
    assert json.loads(train.dataset.profile)["num_rows"] == file.rows
    columns = Schema.from_json(json.dumps(json.loads(train.dataset.schema)["mlflow_colspec"]))
    assert columns.input_names() == list(CONTRACT.columns)


async def test_a_dataset_is_logged_once_however_often_it_is_told(
    lifecycle: Lifecycle, tracker: MlflowExperimentTracker, mlflow_server: MlflowServer
) -> None:
    run_id = lifecycle.opened.mlflow_run_id
    await tracker.log_inputs(run_id, tuple(dataset_inputs(CONTRACT, PARTS, HASHES)))
    run = MlflowClient(mlflow_server.tracking_uri).get_run(run_id)
    assert len(run.inputs.dataset_inputs) == len(HASHES.files)


async def test_the_record_reads_as_a_finished_training(lifecycle: Lifecycle, record: MlflowRecord) -> None:
    run = await record.run(lifecycle.opened.mlflow_run_id)
    assert run.status == "FINISHED"
    assert run.params["model_type"] == "ridge"
    assert run.metrics == {"train_rows": 3, "train_rmsle": 0.1, "reference_rmsle": 0.2}
    assert run.outputs == [lifecycle.model.model_id]
