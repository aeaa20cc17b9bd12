"""After ten runs of every kind, whoever goes back to the old orchestrator finds all of it in its format.

Its cost: ten lifecycles, with all the features of the users' files.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from domain.lifecycle import State
from domain.run import Run
from tests.chaos.world import write_models
from tests.e2e.deployment import Deployment, worker_here
from tests.others import their_tools
from tests.worlds.own_requests import begin_here
from tests.worlds.servers import KafkaServer, MlflowServer
from tests.worlds.synthetic import write_master, write_world

ROWS = 200
CONSTANT = {"version": 7, "model": {"type": "ridge", "params": {"alpha": 1e30}}}
# One tree whose step overflows: what it predicts is no number, and no such figure may be logged.
NO_NUMBER = {
    "version": 8,
    "model": {"type": "gradient_boosting", "params": {"n_estimators": 1, "learning_rate": 1e308}},
}


@pytest.fixture
async def deployment(
    tmp_path: Path, kafka_server: KafkaServer, database_url: str, mlflow_server: MlflowServer
) -> AsyncIterator[Deployment]:
    """A small deployment with a worker: ridge models, each better than the one before."""
    world = write_world(tmp_path, rows=ROWS)
    write_models(world.config_root)
    for model in (CONSTANT, NO_NUMBER):
        path = world.config_root / "models" / f"v{model['version']}.yaml"
        path.write_text(yaml.safe_dump(model), encoding="utf-8")
    deployed = Deployment(world, kafka_server.bootstrap_servers, database_url, mlflow_server.tracking_uri)
    await begin_here(deployed.bootstrap_servers, deployed.model)
    async with worker_here(deployed):
        yield deployed


async def ten_runs(deployment: Deployment) -> list[Run]:
    """Promoted, declined, rejected and failed, on two splits."""
    first = [await deployment.carried({"model_version": version}) for version in (101, 7, 111, 90, 8)]
    master = deployment.world.master
    broken = pq.read_table(master)
    gone = pa.array([-1.0, *broken["area"].to_pylist()[1:]])
    pq.write_table(broken.set_column(broken.schema.get_field_index("area"), "area", gone), master)
    failed = await deployment.carried({})
    write_master(master, rows=ROWS)
    asked: list[Mapping[str, Any]] = [
        {"model_version": 121},
        {"split_version": 2, "model_version": 131},
        {"model_version": "7"},
        {"split_version": 1, "feature_version": 1, "model_version": 141},
    ]
    return [*first, failed, *[await deployment.carried(one) for one in asked]]


async def read_by_them(deployment: Deployment, folder: Path) -> dict[str, Any]:
    """What their tools read, in a process where nothing of ours is."""
    world = deployment.world
    roots = str(world.config_root), str(world.data_root)
    names = deployment.tracking_uri, deployment.model, deployment.model
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", their_tools.__file__, *roots, *names,
        cwd=folder,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, complaints = await process.communicate()
    assert process.returncode == 0, complaints.decode()[-3000:]
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def with_versions(text: str, triple: Mapping[str, int]) -> str:
    """The same file with these defaults: comments, unknown keys and spaces as they were."""
    for name, version in triple.items():
        text = re.sub(rf"(  {name}: )\d+", rf"\g<1>{version}", text)
    return text


def files_below(folder: Path, *, but: Path) -> dict[Path, tuple[bytes, int]]:
    """Every file's bytes and time but one's."""
    files = [path for path in folder.rglob("*") if path.is_file() and path != but]
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


async def test_after_ten_runs_every_name_that_they_read_is_there_in_their_format(
    deployment: Deployment, tmp_path: Path
) -> None:
    config_root, data_root = deployment.world.config_root, deployment.world.data_root
    active = config_root / "active_config.yaml"
    families, text = files_below(config_root, but=active), active.read_text(encoding="utf-8")
    runs = await ten_runs(deployment)
    ends = {state: [run for run in runs if run.state is state] for state in State}
    assert (len(runs), len(ends[State.REJECTED]), len(ends[State.FAILED])) == (10, 1, 1)
    assert len(ends[State.COMPLETED]) >= 3
    assert len(ends[State.DECLINED]) >= 3

    found = await read_by_them(deployment, tmp_path)

    last = ends[State.COMPLETED][-1]
    triple = last.outputs["resolve"]["triple"]
    assert found["defaults"] == triple
    assert active.read_text(encoding="utf-8") == with_versions(text, triple)
    assert files_below(config_root, but=active) == families
    champion = found["champion"]
    assert (champion["run"], champion["feature_version"]) == (last.mlflow_run_id, triple["feature_version"])
    assert champion["rmsle"] == pytest.approx(champion["logged"], rel=1e-9)
    assert champion["one row"] == pytest.approx(champion["bulk"], rel=1e-9)
    assert found["versions"] == {
        str(run.outputs["decide"]["version"]): run.mlflow_run_id for run in ends[State.COMPLETED]
    }
    assert found["runs"] == {run.mlflow_run_id: told(run) for run in runs if run.state is not State.REJECTED}
    for run in ends[State.COMPLETED]:
        split = f"v{run.outputs['resolve']['triple']['split_version']}"
        made = run.outputs["split"]
        assert found["splits"][split] == {
            "reference": made["reference"]["rows"],
            "train": made["train"]["rows"],
            **{name: part["rows"] for name, part in made["optional_tests"].items()},
        }
    assert sorted(path.name for path in (data_root / "reference/tests").iterdir()) == ["v1", "v2"]


def told(run: Run) -> dict[str, str | None]:
    """How their dashboard tells a run's end."""
    if run.state is State.FAILED:
        return {"status": "FAILED", "pipeline_status": "failed", "model_promoted": None}
    promoted = str(run.state is State.COMPLETED)
    return {"status": "FINISHED", "pipeline_status": "completed", "model_promoted": promoted}
