"""Requests that do not end in a promotion: declined, rejected, failed; the next one always goes on.

Its cost: one to three lifecycles a case.
"""

import hashlib
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from domain.lifecycle import State
from domain.run import Run
from tests.e2e.conftest import Standing
from tests.e2e.deployment import Deployment, event_schema, worker_here
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.synthetic import write_master

CONSTANT = {"version": 7, "model": {"type": "ridge", "params": {"alpha": 1e30}}}
# One tree whose step overflows: it fits, and what it predicts is no number.
NO_NUMBER = {
    "version": 8,
    "model": {"type": "gradient_boosting", "params": {"n_estimators": 1, "learning_rate": 1e308}},
}


async def the_event(deployment: Deployment, run: Run, topic: str) -> dict[str, Any]:
    """The event that closed the run, valid by its schema."""
    events = await deployment.events(run, topic)
    assert events[-1].coordinates.topic == topic
    data = dict(events[-1].data or {})
    Draft202012Validator(event_schema(topic)).validate(data)
    return data


def active_config(deployment: Deployment) -> bytes:
    return (deployment.world.config_root / "active_config.yaml").read_bytes()


async def test_a_weaker_candidate_is_declined_and_nothing_of_production_moves(
    standing: Standing, mlflow: MlflowRecord
) -> None:
    deployment = standing.deployment
    before = active_config(deployment)
    deployment.path("models/v7").write_text(yaml.safe_dump(CONSTANT), encoding="utf-8")
    run = await deployment.carried({"model_config_version": "7", "reason": "hardly a model"})
    said = await the_event(deployment, run, "model.declined")
    assert (run.state, said["decision"]) == (State.DECLINED, "DECLINE")
    assert said["champion_version"] == 1
    assert said["champion"]["dataset_digest"] == said["candidate"]["dataset_digest"]
    assert said["champion"]["metrics"]["rmsle"] < said["candidate"]["metrics"]["rmsle"]
    record = await mlflow.run(run.mlflow_run_id or "")
    assert (record.status, record.tags["model_promoted"]) == ("FINISHED", "False")
    assert record.tags["pipeline_status"] == "completed"
    assert len(await mlflow.versions_of(deployment.model)) == 1
    assert active_config(deployment) == before


async def test_a_retrain_that_could_not_differ_is_declined_as_the_same_model(standing: Standing) -> None:
    """Both models are asked for every row of the reference, and the split says it before any fit."""
    deployment = standing.deployment
    run = await deployment.carried({"reason": "the same once more"})
    said = await the_event(deployment, run, "model.declined")
    split, evaluated = [dict(event.data or {}) for event in (await deployment.events(run))[:2]]
    assert said["decision"] == "DECLINE"
    assert said["reasons"][0].startswith("same train part, same model as version 1")
    assert (evaluated["champion_trained_rows"], said["champion_trained_rows"]) == (0, 0)
    for event in (split, evaluated):
        (warning,) = [one for one in event["warnings"] if one["code"] == "unchanged_training_part"]
        assert warning["facts"] == {"version": 1, "generation": 1, "new_rows": 0}


async def test_a_request_is_rejected_with_all_its_faults_at_once(
    standing: Standing, mlflow: MlflowRecord
) -> None:
    deployment = standing.deployment
    asked = {"split_version": 0, "feature_version": "two", "model_versoin": 3, "reason": 5}
    run = await deployment.carried(asked)
    said = await the_event(deployment, run, "training.rejected")
    assert run.state is State.REJECTED
    assert {fault["field"] for fault in said["faults"]} == set(asked)
    assert all(fault["allowed"] or fault["message"] for fault in said["faults"])
    assert said["request"] == {"model_name": deployment.model, **asked}
    assert run.mlflow_run_id is None
    assert await mlflow.runs_of(standing.first.outputs["open_run"]["experiment_id"], run.run_id) == []


async def test_versions_that_do_not_exist_are_rejected_with_those_that_do(standing: Standing) -> None:
    deployment = standing.deployment
    run = await deployment.carried({"split_version": 90, "feature_version": 91, "model_version": 92})
    said = await the_event(deployment, run, "training.rejected")
    assert {fault["field"] for fault in said["faults"]} >= {
        "split_version",
        "feature_version",
        "model_version",
    }
    assert all("1" in fault["allowed"] for fault in said["faults"])


async def test_a_config_that_was_edited_since_its_first_use_is_refused_with_both_digests(
    standing: Standing,
) -> None:
    deployment = standing.deployment
    path = deployment.path("features/v1")
    whole = path.read_bytes()
    path.write_bytes(whole + b"# a word more\n")
    try:
        run = await deployment.carried({})
    finally:
        path.write_bytes(whole)
    said = await the_event(deployment, run, "training.rejected")
    assert (run.state, said["reason"]) == (State.REJECTED, "config_changed")
    assert said["faults"][0]["file"] == "features/v1.yaml"
    for content in (whole, whole + b"# a word more\n"):
        assert hashlib.sha256(content).hexdigest() in said["faults"][0]["message"]


async def test_a_master_that_breaks_its_contract_fails_the_run_with_a_report(
    standing: Standing, mlflow: MlflowRecord
) -> None:
    deployment = standing.deployment
    master = pq.read_table(deployment.world.master)
    area = pa.array([-1.0, 0.5, *master["area"].to_pylist()[2:]])
    broken = master.set_column(master.schema.get_field_index("area"), "area", area)
    pq.write_table(broken, deployment.world.master)
    try:
        run = await deployment.carried({})
    finally:
        write_master(deployment.world.master)
    said = await the_event(deployment, run, "training.failed")
    assert (run.state, said["reason"], said["step"]) == (State.FAILED, "data_contract", "split")
    violation = said["facts"]["violations"][0]
    assert (violation["column"], violation["rule"], violation["count"]) == ("area", "min", 2)
    assert violation["sample_keys"]
    record = await mlflow.run(run.mlflow_run_id or "")
    assert (record.status, record.tags["laurel.failure"]) == ("FAILED", "data_contract")
    assert record.tags["pipeline_status"] == "failed"
    uri = run.outputs["open_run"]["artifact_uri"]

    async def report() -> bytes | None:
        files = (await mlflow.get("artifacts/list", run_id=run.mlflow_run_id or "", path="laurel")).get(
            "files"
        )
        names = {file["path"] for file in files or []}
        return await mlflow.artifact(uri, path) if (path := "laurel/contract_report.json") in names else None

    kept = await eventually(report, within=200)
    assert kept is not None
    assert json.loads(kept)["violations"][0]["count"] == 2


async def register_by_hand(mlflow: MlflowRecord, deployment: Deployment, run: Run) -> int:
    """Make a version of a run's logged model and point the alias at it, as a person with a console does."""
    trained = run.outputs["train"]
    tags = [{"key": "laurel.manifest", "value": json.dumps(trained["package"]["manifest"])}]
    if not await mlflow.versions_of(deployment.model):
        await mlflow.post("registered-models/create", {"name": deployment.model})
    model = {"source": trained["model"]["uri"], "model_id": trained["model"]["model_id"]}
    body = {"name": deployment.model, "run_id": run.mlflow_run_id, **model}
    made = (await mlflow.post("model-versions/create", {**body, "tags": tags}))["model_version"]
    alias = {"name": deployment.model, "alias": "prod", "version": made["version"]}
    await mlflow.post("registered-models/alias", alias)
    return int(made["version"])


async def test_no_number_never_wins_and_a_person_gets_out_of_a_champion_without_one(
    small: Deployment, mlflow: MlflowRecord
) -> None:
    """P04: declined on an empty registry; as champion it is INCONCLUSIVE; an override by hand mends it."""
    small.path("models/v8").write_text(yaml.safe_dump(NO_NUMBER), encoding="utf-8")
    async with worker_here(small):
        nothing = await small.carried({"model_version": 8})
        assert nothing.state is State.DECLINED, nothing.failure
        assert (await the_event(small, nothing, "model.declined"))["decision"] == "DECLINE"
        assert await register_by_hand(mlflow, small, nothing) == 1
        good = await small.carried({"model_version": 101})
        said = await the_event(small, good, "model.declined")
        assert (said["decision"], said["champion_generation"]) == ("INCONCLUSIVE", 1)
        assert await register_by_hand(mlflow, small, good) == 2
        better = await small.carried({"model_version": 121})
        assert better.state is State.COMPLETED, better.outputs["decide"]
        decided = better.outputs["decide"]
        assert (decided["champion"]["version"], decided["generation"]) == (2, 3)
        promotions = await small.promotions(3)
    record = await mlflow.run(nothing.mlflow_run_id or "")
    assert "reference_rmsle" not in record.metrics
    assert [promotion["cause"] for promotion in promotions] == ["adopted", "override", "gate"]
    assert [promotion["version"] for promotion in promotions] == [1, 2, 3]
