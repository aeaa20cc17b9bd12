"""One request on an empty registry: everything that a promotion leaves, for the user's own tools to find.

Its cost: a lifecycle, and readers in processes where nothing of ours is.
"""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.events import Generation
from domain.lifecycle import State
from domain.run_form import RunForm
from tests.e2e.bare_server import served
from tests.e2e.conftest import Standing
from tests.e2e.deployment import event_schema
from tests.e2e.straight_run import StraightRun, straight_run
from tests.e2e.test_adoption import laurel
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord, RunRecord
from tests.straight.straight_split import straight_fates
from tests.tools.json_forms import schemas
from tests.worlds.api import ApiWorld, door

DURATIONS = {"split_duration", "training_duration", "evaluation_duration"}


@pytest.fixture(scope="module")
def straight(standing: Standing) -> StraightRun:
    """The first run once more."""
    return straight_run(standing.deployment, "splits/v1", "features/v1", "models/v1")


@pytest.fixture
async def record(standing: Standing, mlflow: MlflowRecord) -> RunRecord:
    """The first run as MLflow tells it."""
    assert standing.first.state is State.COMPLETED, standing.first.failure
    return await mlflow.run(standing.first.mlflow_run_id or "")


async def test_every_param_stands_under_the_users_name(standing: Standing, record: RunRecord) -> None:
    hashes = standing.first.outputs["version"]
    assert record.params == {
        "split_version": "1",
        "feature_version": "1",
        "model_version": "1",
        "reference_created": "True",
        "dvc_master_hash": hashes["dvc_master_hash"],
        "dvc_split_hash": hashes["dvc_split_hash"],
        "dvc_reference_hash": hashes["dvc_reference_hash"],
        "model_type": "ridge",
        "alpha": "1.0",
    }


async def test_every_metric_is_that_of_the_straight_implementation(
    standing: Standing, record: RunRecord, straight: StraightRun
) -> None:
    figures = {name: value for name, value in record.metrics.items() if name not in DURATIONS}
    master = pq.read_table(standing.deployment.world.master).to_pandas()
    rules = yaml.safe_load(standing.deployment.path("splits/v1").read_text(encoding="utf-8"))
    fates = straight_fates(master, rules, key="project_id")
    assert sum(fates.values()) == len(master)
    expected = {
        **straight.metrics,
        **{f"fate_{name}_rows": rows for name, rows in fates.items()},
        "master_rows": pq.read_metadata(standing.deployment.world.master).num_rows,
    }
    assert figures == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert all(record.metrics[name] > 0 for name in DURATIONS)


async def test_tags_say_that_it_is_complete_promoted_and_why(standing: Standing, record: RunRecord) -> None:
    run = standing.first
    assert record.status == "FINISHED"
    assert (record.tags["pipeline_status"], record.tags["model_promoted"]) == ("completed", "True")
    assert record.tags["laurel.run_id"] == run.run_id
    assert record.tags["laurel.request"] == run.identity
    assert record.tags["laurel.correlation_id"] == run.correlation_id
    assert record.tags["laurel.requested_by"] == "tests"
    assert record.tags["laurel.verdict"] == "PROMOTE"
    assert json.loads(record.tags["laurel.verdict_reasons"])
    assert json.loads(record.tags["laurel.environment"])["scikit-learn"]
    for family, name in (("splits", "splits/v1"), ("models", "models/v1")):
        digest = hashlib.sha256(standing.deployment.path(name).read_bytes()).hexdigest()
        assert record.tags[f"laurel.config.{family}"] == f"v1:{digest}"


async def test_the_model_serves_where_our_packages_are_not_installed(
    standing: Standing, record: RunRecord, straight: StraightRun, tmp_path: Path
) -> None:
    deployment, run = standing.deployment, standing.first
    assert record.outputs
    columns = list(deployment.config("features/v1")["tabular_features"])
    rows = straight.parts["reference"][columns].head(12)
    models = [f"runs:/{run.mlflow_run_id}/model", f"models:/{deployment.model}@prod"]
    for answer in await served(models, rows, tmp_path, deployment.tracking_uri):
        assert answer["bulk"] == pytest.approx(straight.predictions[:12], rel=1e-9)
        assert answer["one by one"] == pytest.approx(straight.predictions[:12], rel=1e-9)


async def test_the_version_behind_the_alias_is_the_runs_and_says_what_a_server_needs(
    standing: Standing, mlflow: MlflowRecord
) -> None:
    run = standing.first
    versions = await mlflow.versions_of(standing.deployment.model)
    model = await mlflow.get("registered-models/get", name=standing.deployment.model)
    assert [int(version["version"]) for version in versions] == [1]
    assert versions[0]["run_id"] == run.mlflow_run_id
    assert model["registered_model"]["aliases"] == [{"alias": "prod", "version": "1"}]
    tags = {tag["key"]: tag["value"] for tag in versions[0]["tags"]}
    assert (tags["feature_version"], tags["laurel.generation"]) == ("1", "1")
    assert tags["laurel.run_id"] == run.run_id
    assert "model.skops" in json.loads(tags["laurel.manifest"])


def test_the_parts_lie_at_the_users_paths_with_the_straight_rows(
    standing: Standing, straight: StraightRun
) -> None:
    root = standing.deployment.world.data_root
    paths = {
        "train": root / "splits/v1/train.parquet",
        "reference": root / "reference/tests/v1/test_reference.parquet",
        "recent_1_year": root / "splits/v1/optional_tests/recent_1_year.parquet",
        "recent_3_year": root / "splits/v1/optional_tests/recent_3_year.parquet",
        "recent_500_year": root / "splits/v1/optional_tests/recent_500_year.parquet",
    }
    assert set(straight.parts) == set(paths)
    for name, path in paths.items():
        keys = pq.read_table(path)["project_id"].to_pylist()
        assert keys == list(straight.parts[name]["project_id"]), name
    columns = pq.read_schema(standing.deployment.world.master).names
    assert pq.read_schema(paths["train"]).names == columns


def test_the_hashes_are_dvcs_own_over_the_bytes_that_were_used(standing: Standing) -> None:
    outputs, root = standing.first.outputs, standing.deployment.world.data_root
    hashes, parts = outputs["version"], outputs["split"]
    remote = {path.parent.name + path.name for path in (root / "dvc/remote/files/md5").glob("*/*")}
    files = {name: parts[name]["path"] for name in ("master", "train", "reference")} | {
        name: part["path"] for name, part in parts["optional_tests"].items()
    }
    for name, path in files.items():
        content = Path(path).read_bytes()
        assert hashes["files"][name] == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert hashes["manifest"][name] == hashlib.sha256(content).hexdigest()
    folders = {hashes["dvc_split_hash"], hashes["dvc_reference_hash"]}
    assert all(folder.endswith(".dir") for folder in folders)
    assert remote >= {*hashes["files"].values(), *folders}
    assert len((root / "dvc/remote/laurel-remote-id").read_text().splitlines()) == 1


def test_the_defaults_show_the_triple_and_every_other_byte_stays(standing: Standing) -> None:
    text = (standing.deployment.world.config_root / "active_config.yaml").read_text(encoding="utf-8")
    active = yaml.safe_load(text)
    assert active["training_defaults"] == {"feature_version": 1, "model_version": 1, "split_version": 1}
    assert active["dashboard"] == {"theme": "dark"}
    assert "# every rule" in text


async def test_the_events_are_valid_caused_by_each_other_and_sayable_once(standing: Standing) -> None:
    events = await standing.deployment.events(standing.first, "model.promoted")
    topics = [event.coordinates.topic for event in events]
    assert topics == ["split.completed", "model.evaluated", "model.promoted"]
    for event in events:
        topic = event.coordinates.topic
        Draft202012Validator(event_schema(topic)).validate(event.data)
        assert event.attributes["type"] == f"laurel.{topic}.v1"
        assert event.attributes["correlationid"] == standing.first.correlation_id
        assert event.key == standing.deployment.model
    assert events[0].attributes["causationid"] == standing.first.causation_id
    for before, after in pairwise(events):
        assert after.attributes["causationid"] == before.attributes["id"]


async def test_the_promotion_says_enough_to_act_without_calling_back(
    standing: Standing, straight: StraightRun
) -> None:
    events = await standing.deployment.events(standing.first, "model.promoted")
    said = events[-1].data or {}
    assert (said["version"], said["generation"], said["cause"]) == (1, 1, "gate")
    assert said["model_uri"] == f"models:/{standing.deployment.model}/1"
    assert (said["previous_version"], said["previous_generation"]) == (None, None)
    assert said["versions"] == {"feature_version": 1, "model_version": 1, "split_version": 1}
    assert said["mlflow_run_id"] == standing.first.mlflow_run_id
    assert said["reference_digest"] == standing.first.outputs["split"]["reference"]["sha256"]
    assert said["candidate"]["metrics"]["rmsle"] == pytest.approx(
        straight.metrics["reference_rmsle"], rel=1e-9
    )


async def test_run_and_generation_have_one_form_at_the_command_line_over_http_and_in_events(
    standing: Standing, tmp_path: Path
) -> None:
    deployment, run_id, forms = standing.deployment, standing.first.run_id, schemas()
    shown = json.loads(await laurel(deployment, "show", run_id, "--json"))
    champions = json.loads(await laurel(deployment, "champion", "--json"))["generations"]
    kafka, model = deployment.bootstrap_servers, deployment.model
    async with door(ApiWorld(tmp_path, kafka, kafka, deployment.database_url, model)) as client:
        answered = (await client.get(f"/training-requests/{run_id}")).json()
    event = (await deployment.events(standing.first, "model.promoted"))[-1].data or {}
    for said in (shown, answered):
        Draft202012Validator(forms["run"]).validate(said)
    for said in (champions[0], event):
        Draft202012Validator(forms["generation"]).validate(said)
    assert {name: shown[name] for name in RunForm.model_fields} == {
        name: answered[name] for name in RunForm.model_fields
    }
    # The `reason` of a run is the code of its failure, that of a generation a sentence of who decided.
    for name in RunForm.model_fields.keys() & event.keys() - {"reason"}:
        assert event[name] == shown[name], name
    for name in Generation.model_fields:
        assert event[name] == champions[0][name], name


async def test_pictures_card_and_the_record_as_files_follow(standing: Standing, mlflow: MlflowRecord) -> None:
    run_id = standing.first.mlflow_run_id or ""

    async def listed() -> set[str]:
        found: set[str] = set()
        for folder in ("evaluation", "laurel"):
            answer = await mlflow.get("artifacts/list", run_id=run_id, path=folder)
            found |= {file["path"] for file in answer.get("files", [])}
        pictures = sum(path.endswith(".png") for path in found)
        return found if "evaluation/model_card.md" in found and pictures >= 3 else set()

    found = await eventually(listed, within=200)
    assert found >= {
        "laurel/resolved_config.json",
        "laurel/feature_schema.json",
        "laurel/contract_report.json",
        "laurel/dataset_statistics.json",
        "laurel/manifest.json",
        "laurel/verdict.json",
    }
