"""One training's whole record: within its budget of calls, and the user's own tools load what it made."""

# ruff: noqa: ASYNC240 - a test's own small files

import hashlib
import os
import subprocess
import sys
from asyncio import to_thread
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from domain.manifest import seal
from domain.models import LoggedModel, OpenedRun
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.environment import library_environment
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.tasks.upload_model import upload
from tests.mlflow_record import MlflowRecord
from tests.proxies import FaultProxy
from tests.servers import MlflowServer

PLAIN = Path(__file__).with_name("plain_mlflow.py")
MOST_CALLS = 30  # before model.promoted, for all that MLflow is told and asked


class Lifecycle(NamedTuple):
    """What one run left, and what it cost."""

    opened: OpenedRun
    model: LoggedModel
    version: int
    calls: int


def plain_mlflow(access: MlflowAccess, *arguments: str) -> list[str]:
    """Run the user's script where our package cannot be imported."""
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-I", str(PLAIN), *arguments],
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
    plain_mlflow(MlflowAccess("http://127.0.0.1:9"), "save", str(folder))
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
    await tracker.log_texts(opened, {"laurel/record.json": "{}", "laurel/contract.json": "{}"})
    model = await tracker.create_model(opened, params, {"laurel.feature_version": "2"})
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in package.iterdir()}
    await to_thread(upload, str(package), model.artifact_uri, files, access, str(tmp_path))
    await tracker.finalize_model(model, {"laurel.model_digest": "d"})
    await tracker.log(opened.mlflow_run_id, metrics={"train_rmsle": 0.1, "reference_rmsle": 0.2})
    champion = await registry.alias_version(model_name)
    tags = {"laurel.generation": "1", "laurel.model_digest": seal(files), "feature_version": "2"}
    version = await registry.register(model_name, model, opened.mlflow_run_id, tags)
    await registry.set_alias(model_name, version.version)
    assert (champion, await registry.alias_version(model_name)) == (None, version.version)
    await tracker.finish(opened.mlflow_run_id, "FINISHED", {"pipeline_status": "completed"})
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
    found = await to_thread(plain_mlflow, MlflowAccess(mlflow_server.tracking_uri), "predict", *uris)
    assert found == ["11.000000"] * 3


async def test_the_record_reads_as_a_finished_training(lifecycle: Lifecycle, record: MlflowRecord) -> None:
    run = await record.run(lifecycle.opened.mlflow_run_id)
    assert run.status == "FINISHED"
    assert run.params["model_type"] == "ridge"
    assert run.metrics == {"train_rows": 3, "train_rmsle": 0.1, "reference_rmsle": 0.2}
    assert run.outputs == [lifecycle.model.model_id]
