"""Wherever a person's tool points a version's source, the logged model behind it is found."""

import pytest

from domain.errors import ModelUnusable
from domain.models import LoggedModel, OpenedRun, RegisteredVersion
from domain.package_tags import MANIFEST_TAG, package_tags
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from tests.kit.mlflow_record import MlflowRecord

DIGEST = "d" * 64
TAGS = package_tags({"MLmodel": "a" * 64}, DIGEST)


@pytest.fixture
async def run(tracker: MlflowExperimentTracker, run_id: str) -> OpenedRun:
    """A run of ours."""
    return await tracker.open_run(run_id, "price", {})


@pytest.fixture
async def model(tracker: MlflowExperimentTracker, run: OpenedRun) -> LoggedModel:
    """Its logged model, which says what its files are."""
    made = await tracker.create_model(run, {"alpha": 1}, {"laurel.feature_version": "2"})
    await tracker.finalize_model(made, TAGS)
    return made


def by_hand(source: str, run_id: str | None, **tags: str) -> RegisteredVersion:
    return RegisteredVersion(version=9, source=source, mlflow_run_id=run_id, tags=tags)


async def test_every_way_of_naming_a_runs_model_leads_to_it(
    registry: MlflowModelRegistry,
    record: MlflowRecord,
    run: OpenedRun,
    model: LoggedModel,
    model_name: str,
) -> None:
    await record.post("registered-models/create", {"name": model_name})
    run_id = run.mlflow_run_id
    asked = {"name": model_name, "source": f"runs:/{run_id}/model", "run_id": run_id}
    await record.post("model-versions/create", asked)
    sources = [
        (model.uri, None),
        (f"{model.uri}/", run_id),
        (f"runs:/{run_id}/model", None),
        (f"runs:/{run_id}/model/", run_id),
        (f"{run.artifact_uri}/model", run_id),
        (f"{run.artifact_uri}/model/", run_id),
        (model.artifact_uri, None),
        (f"models:/{model_name}/1", None),
    ]
    for source, named in sources:
        found = await registry.resolved(model_name, by_hand(source, named, mine="kept"))
        assert (found.source, found.mlflow_run_id) == (model.uri, run_id), source
        assert found.tags == {**TAGS, "mine": "kept"}, source


async def test_a_deleted_run_leads_to_its_model_still(
    registry: MlflowModelRegistry, record: MlflowRecord, run: OpenedRun, model: LoggedModel, model_name: str
) -> None:
    await record.post("runs/delete", {"run_id": run.mlflow_run_id})
    found = await registry.resolved(model_name, by_hand(f"runs:/{run.mlflow_run_id}/model", None))
    assert (found.source, found.tags) == (model.uri, TAGS)


async def test_what_a_worker_registered_says_more_than_the_logged_model(
    registry: MlflowModelRegistry, run: OpenedRun, model: LoggedModel, model_name: str
) -> None:
    said = {**package_tags({"MLmodel": "b" * 64}, DIGEST), "laurel.signature": "s", "laurel.generation": "3"}
    await registry.register(model_name, model, run.mlflow_run_id, said)
    found = await registry.resolved(model_name, by_hand(model.uri, run.mlflow_run_id))
    assert found.tags == {name: text for name, text in said.items() if name != "laurel.generation"}
    own = by_hand(model.uri, run.mlflow_run_id, **{MANIFEST_TAG: "{}"})
    assert await registry.resolved(model_name, own) == own


async def test_a_model_of_others_comes_back_with_the_place_of_its_files(
    registry: MlflowModelRegistry, run: OpenedRun, model_name: str
) -> None:
    for source, place in (
        (f"runs:/{run.mlflow_run_id}/theirs", f"{run.artifact_uri}/theirs"),
        ("s3://bucket/model", "s3://bucket/model"),
        ("", ""),
    ):
        found = await registry.resolved(model_name, by_hand(source, run.mlflow_run_id))
        assert (found.source, found.tags) == (place, {})


async def test_a_source_that_leads_nowhere_is_refused(registry: MlflowModelRegistry, model_name: str) -> None:
    for source in (f"runs:/{'0' * 32}/model", f"models:/m-{'0' * 32}", f"models:/{model_name}/7"):
        with pytest.raises(ModelUnusable):
            await registry.resolved(model_name, by_hand(source, None))


async def test_a_run_has_one_successor_which_plain_readers_find_instead(
    tracker: MlflowExperimentTracker, record: MlflowRecord, run: OpenedRun, model: LoggedModel, run_id: str
) -> None:
    """Nobody takes it for an orphan."""
    made = await tracker.create_successor(run, model.model_id)
    assert await tracker.create_successor(run, model.model_id) == made
    assert made != model
    await tracker.mark_orphans(run, run_id, model)
    assert await tracker.create_model(run, {}, {}) == model
    told = (await record.get(f"logged-models/{made.model_id}"))["model"]
    assert told["data"]["params"] == [{"key": "alpha", "value": "1"}]
    tags = {tag["key"]: tag["value"] for tag in told["info"]["tags"]}
    assert tags == {"laurel.feature_version": "2", "laurel.repairs": model.model_id}
    outputs = (await record.get("runs/get", run_id=run.mlflow_run_id))["run"]["outputs"]["model_outputs"]
    steps = {output["model_id"]: int(output.get("step", 0)) for output in outputs}
    assert steps == {model.model_id: 0, made.model_id: 1}
