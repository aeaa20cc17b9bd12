"""Who has only MLflow reads what Laurel promotes, and what a person promotes by hand is ours all the same.

Its cost: lifecycles, and one reader in an environment of older libraries, whose MLflow takes seconds to load.
"""

import asyncio
import json
import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pyarrow.parquet as pq
import pytest
import yaml

from domain.lifecycle import State
from domain.run import Run
from service.adapters.cryptography.ed25519 import Ed25519Verifier
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.model_cache import ModelCache
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.mlflow.rest import MlflowRest
from service.cli.console import Exit
from service.lifecycle.root import Makers
from service.runtime.clock import SystemClock
from service.serving.champion import read_champion
from service.serving.loading import ModelLoader
from service.serving.served_model import ServedModel
from tests.e2e.deployment import Deployment, worker_here
from tests.kit.signing_keys import key_pair
from tests.others import plain_inference
from tests.others.older_laurel import OLDER_JOBS
from tests.others.older_serving import older_python
from tests.worlds.built_here import build_here
from tests.worlds.servers import MlflowServer
from tests.worlds.warm import laurel

CONSTANT = 7
OLDER = Makers(replaced_jobs=OLDER_JOBS)
WHOLE = {"made_by_laurel": True, "lacks": [], "source_astray": None}


@pytest.fixture
def deployment(small: Deployment) -> Deployment:
    """With a model that is hardly one."""
    constant = {"version": CONSTANT, "model": {"type": "ridge", "params": {"alpha": 1e30}}}
    small.path(f"models/v{CONSTANT}").write_text(yaml.safe_dump(constant), encoding="utf-8")
    return small


def rows_of(deployment: Deployment) -> list[dict[str, Any]]:
    features = deployment.config("features/v1")["tabular_features"]
    rows = pq.read_table(deployment.world.master, columns=list(features)).slice(0, 3).to_pylist()
    nulls = [{name: value for name, value in row.items() if value is None or isnan(value)} for row in rows]
    return [{**row, **dict.fromkeys(null)} for row, null in zip(rows, nulls, strict=True)]


def isnan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


class OtherService:
    """A service that has older libraries and nothing of ours; it starts at the first question."""

    def __init__(self, tracking_uri: str, complaints: Path) -> None:
        self._tracking_uri = tracking_uri
        self._complaints = complaints
        self._process: subprocess.Popen[str] | None = None

    async def read(self, deployment: Deployment) -> dict[str, Any]:
        """What it reads of a model's champion."""
        found = await asyncio.to_thread(self._answer, {"name": deployment.model, "rows": rows_of(deployment)})
        assert found["native"] == pytest.approx(found["one by one"], rel=1e-9)
        assert (found["run"], found["artifact_path"]) == (found["version's run"], found["location"])
        assert found["by run"] == [found["run"], found["model_id"]]
        assert found["model_uuid"] == found["model_id"]
        assert found["model_id"] in found["outputs"]
        return found

    def end(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.communicate()

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = self._started()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        said = next((line for line in self._process.stdout if line.startswith("{")), "")
        assert said, self._complaints.read_text(encoding="utf-8")[-3000:]
        found: dict[str, Any] = json.loads(said)
        return found

    def _started(self) -> "subprocess.Popen[str]":
        words = (older_python(), "-I", "-W", "ignore", plain_inference.__file__, self._tracking_uri)
        with self._complaints.open("w", encoding="utf-8") as complaints:
            return subprocess.Popen(  # noqa: S603 - our own code
                words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                env={"MLFLOW_DISABLE_TELEMETRY": "true"},
            )


@pytest.fixture(scope="module")
def others(mlflow_server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherService]:
    """One for all."""
    service = OtherService(mlflow_server.tracking_uri, tmp_path_factory.mktemp("others") / "complaints")
    yield service
    service.end()


def by_hand(deployment: Deployment, source: str, run_id: str | None) -> int:
    """Register a version and move the alias to it, as a dashboard's "promote" does."""
    client = mlflow.MlflowClient(deployment.tracking_uri, deployment.tracking_uri)
    made = client.create_model_version(deployment.model, source, run_id)
    client.set_registered_model_alias(deployment.model, "prod", made.version)
    return int(made.version)


async def served_by_laurel(deployment: Deployment, cache: Path, public_key: Path) -> ServedModel:
    """What `laurel inference` would serve now; it asks for our signature."""
    access = MlflowAccess(deployment.tracking_uri)
    rest = MlflowRest(access)
    try:
        champion = await read_champion(MlflowModelRegistry(rest), deployment.model)
    finally:
        await rest.close()
    loader = ModelLoader(access, ModelCache(cache), SystemClock(), build_here, Ed25519Verifier(public_key))
    return await asyncio.to_thread(loader.fetch, champion)


def versions_of(run: Run) -> dict[str, int]:
    triple: dict[str, int] = run.outputs["resolve"]["triple"]
    return triple


def shown_to_people(client: mlflow.MlflowClient, deployment: Deployment, run: Run) -> None:
    """Whoever opens MLflow finds names that differ, descriptions, the datasets, and the verdict."""
    page = client.get_run(run.mlflow_run_id or "")
    assert page.info.run_name == f"{run.run_id[:8]} s1 f1 m101 promoted g1"
    note = page.data.tags["mlflow.note.content"]
    assert note.startswith(f"# {deployment.model}: ridge\n")
    assert "**PROMOTE**" in note
    version = client.get_model_version(deployment.model, "1")
    assert version.description.startswith("**PROMOTE**, generation 1, by run ")
    assert run.outputs["decide"]["verdict"]["reasons"][0] in version.description.replace("\\", "")
    assert client.get_registered_model(deployment.model).description
    assert client.get_experiment(page.info.experiment_id).tags["mlflow.note.content"]
    inputs = {one.dataset.name: one.dataset for one in page.inputs.dataset_inputs}
    for name in ("master", "train", "reference"):
        file = run.outputs["split"][name]
        assert file["sha256"].startswith(inputs[name].digest)
        assert json.loads(inputs[name].profile)["num_rows"] == file["rows"]


async def test_a_champion_is_read_by_others_and_a_persons_choice_is_judged_served_and_followed(
    deployment: Deployment, others: OtherService, tmp_path: Path
) -> None:
    """The gate's first, a declined run by `runs:/…/model`, a copy of it, a place below a run's artifacts."""
    keys = key_pair(tmp_path, "ours")
    async with worker_here(deployment, WORKER__RECONCILE_SECONDS="1", SIGNING__KEY_FILE=str(keys.private)):
        first = await deployment.carried({"model_version": 101})
        found = await others.read(deployment)
        assert (found["version"], found["run"]) == (1, first.mlflow_run_id)
        assert found["feature_version"] == versions_of(first)["feature_version"]
        assert len(found["one by one"]) == len(rows_of(deployment))

        client = mlflow.MlflowClient(deployment.tracking_uri, deployment.tracking_uri)
        shown_to_people(client, deployment, first)
        experiment = first.outputs["open_run"]["experiment_id"]
        client.delete_experiment(experiment)
        asked = await deployment.ask({"model_version": CONSTANT})
        await deployment.waits(asked, "mlflow_experiment")
        client.restore_experiment(experiment)
        weak = await deployment.ended(asked)
        assert weak.state is State.DECLINED
        run_id = weak.mlflow_run_id or ""
        uri = weak.outputs["open_run"]["artifact_uri"]
        sources = [f"runs:/{run_id}/model", f"models:/{deployment.model}/2", f"{uri}/model"]
        for number, source in enumerate(sources, start=2):
            assert by_hand(deployment, source, run_id) == number
            said = (await deployment.promotions(number))[-1]
            assert (said["cause"], said["version"]) == ("override", number)
            assert (said["versions"], said["mlflow_run_id"]) == (versions_of(weak), run_id)
            assert yaml.safe_load(deployment.path("active_config").read_text("utf-8"))[
                "training_defaults"
            ] == versions_of(weak)
            model = await served_by_laurel(deployment, tmp_path / "served", keys.public)
            assert (model.version, model.generation, model.run_id) == (number, number, run_id)

        better = await deployment.carried({"model_version": 111})
    decided = better.outputs["decide"]
    assert (better.state, decided["champion"]["version"]) == (State.COMPLETED, len(sources) + 1), decided
    assert decided["champion"]["score"]["metrics"]["rmsle"] == pytest.approx(
        weak.outputs["evaluate"]["candidate"]["reference"]["metrics"]["rmsle"]
    )


async def asked(deployment: Deployment, *words: str, **more: str) -> tuple[int, Any]:
    """A command's exit code and its JSON."""
    code, said, complaints = await laurel(*words, "--json", **deployment.environment, **more)
    return code, json.loads(said) if said else complaints


async def champion_line(deployment: Deployment) -> dict[str, Any]:
    _, findings = await asked(deployment, "doctor")
    found: dict[str, Any] = next(one for one in findings if one["what"] == "champion")
    return found


async def test_a_champion_of_an_older_laurel_is_repaired_beside_a_worker_and_no_stored_byte_changes(
    deployment: Deployment, others: OtherService, tmp_path: Path
) -> None:
    keys = key_pair(tmp_path, "ours")
    signing = {"SIGNING__KEY_FILE": str(keys.private)}
    client = mlflow.MlflowClient(deployment.tracking_uri, deployment.tracking_uri)
    async with worker_here(deployment, makers=OLDER):
        old = await deployment.carried({"model_version": 101})
        older_id = old.outputs["train"]["model"]["model_id"]
        stored = bytes_of(client, older_id, tmp_path / "before")
        found = await champion_line(deployment)
        assert (found["well"], found["mend"]) == (False, "laurel repair")
        assert "run_id" in found["found"]
        code, told = await asked(deployment, "repair", "--dry-run", **signing)
        assert (code, told["needed"], told["added"]) == (Exit.DONE, True, None)
        assert len(client.search_model_versions(f"name = '{deployment.model}'")) == 1

        code, told = await asked(deployment, "repair", **signing)
        added = told["added"]["version"], told["added"]["generation"]
        assert (code, added) == (Exit.DONE, (2, 2))
        said = (await deployment.promotions(2))[-1]
        assert (said["cause"], said["version"], said["previous_version"]) == ("repair", 2, 1)
        assert (said["mlflow_run_id"], said["versions"]) == (old.mlflow_run_id, versions_of(old))
        code, again = await asked(deployment, "repair", **signing)
        whole = again.pop("champion")
        told.pop("champion")
        assert (code, again) == (Exit.DONE, {**told, "added": None, "needed": False})
        assert whole.items() >= (WHOLE | {"version": 2, "generation": 2}).items()
        assert (await others.read(deployment))["run"] == old.mlflow_run_id
        served = await served_by_laurel(deployment, tmp_path / "served", keys.public)
        assert (served.version, served.generation, served.run_id) == (2, 2, old.mlflow_run_id)
        better = await deployment.carried({"model_version": 111})
    assert better.outputs["decide"]["champion"]["version"] == 2
    assert bytes_of(client, older_id, tmp_path / "after") == stored
    repaired = client.get_model_version(deployment.model, "2")
    new = bytes_of(client, repaired.source.removeprefix("models:/"), tmp_path / "new")
    assert {name for name, data in new.items() if data != stored.get(name)} == {"MLmodel"}


def bytes_of(client: mlflow.MlflowClient, model_id: str, folder: Path) -> dict[str, bytes]:
    """Every stored byte of a logged model."""
    location = client.get_logged_model(model_id).artifact_location
    copy = Path(
        mlflow.artifacts.download_artifacts(
            artifact_uri=location, dst_path=str(folder), tracking_uri=client.tracking_uri
        )
    )
    return {
        path.relative_to(copy).as_posix(): path.read_bytes() for path in copy.rglob("*") if path.is_file()
    }
