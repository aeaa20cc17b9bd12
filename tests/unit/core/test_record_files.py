"""What the record keeps within MLflow's limits, and what stands whole beside it where that is too little."""

import json
from dataclasses import replace

import pytest
from mlflow.entities import Param, RunTag
from mlflow.utils import validation as mlflow_says

from domain import tracker_limits as limits
from domain.data_contract import DataContract
from domain.datasets import dataset_inputs
from domain.fit_threads import ThreadShare
from domain.lifecycle import Step
from domain.model_types import MODEL_TYPES, Estimator, ModelDefinition
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions
from service.adapters.mlflow.experiment_tracker import input_body, param_list, tag_list
from service.adapters.sklearn.estimators import class_of, known_names
from service.lifecycle.evaluation_files import record_texts
from service.lifecycle.steps.open_run import opening_tags
from service.lifecycle.steps.version import dataset_metrics, dataset_params
from tests.kit.builders import a_config, some_hashes, some_parts
from tests.worlds.stage import Stage

LONGEST_TEST = "recent_1_" + "p" * 141  # what split rules let pass
LONG = list(range(2_000))


def with_long_params(config: ResolvedConfig) -> ResolvedConfig:
    estimator = config.model.model.model_copy(update={"params": {"alpha": 1.0, "categorical_features": LONG}})
    return config.model_copy(update={"model": config.model.model_copy(update={"model": estimator})})


def test_our_limits_are_mlflows_own_or_tighter() -> None:
    assert limits.PARAM == mlflow_says.MAX_PARAM_VAL_LENGTH
    assert limits.TAG == mlflow_says.MAX_TAG_VAL_LENGTH
    assert limits.DATASET_NAME == mlflow_says.MAX_DATASET_NAME_SIZE
    assert limits.DATASET_DIGEST == mlflow_says.MAX_DATASET_DIGEST_SIZE
    assert limits.DATASET_SCHEMA <= mlflow_says.MAX_DATASET_SCHEMA_SIZE
    assert limits.VERSION_TAG <= mlflow_says.MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH


def test_every_name_that_a_configuration_can_bring_is_taken_by_mlflow() -> None:
    """What passes the configuration's own rules must not fail when all the work is done."""
    parts = some_parts(LONGEST_TEST)
    reserved = dataset_params(a_config(), parts, some_hashes(parts)).keys() - {"alpha"}
    for kind in MODEL_TYPES:
        assert not reserved & set(known_names(class_of(MODEL_TYPES[kind])))
        for name in known_names(class_of(MODEL_TYPES[kind])):
            mlflow_says._validate_param(name, "1")
    for name in (*dataset_metrics(parts), *(f"{LONGEST_TEST}_{metric}" for metric in ("rmsle", "mae", "r2"))):
        mlflow_says._validate_metric(name, 1.0, 0, 0)


def test_whatever_is_logged_is_within_the_limits_and_says_where_it_stands_whole() -> None:
    for text in ("x" * 5_999, "x" * 6_000, "x" * 6_001, "ä\0\ud800" * 9_000, "x" * 1_000_000):
        (param,), (tag,) = param_list({"a": text}), tag_list({"a": text})
        mlflow_says._validate_batch_log_data(
            [], [Param(param["key"], param["value"])], [RunTag(tag["key"], tag["value"])]
        )
        assert len(param["value"]) <= limits.PARAM
        assert len(tag["value"]) <= limits.TAG
        kept = limits.long_values({"a": text}, {"a": text})
        assert ("params" in kept) == (limits.LONG_VALUES in param["value"])
        assert ("tags" in kept) == (limits.LONG_VALUES in tag["value"])


def test_a_wide_contract_leaves_a_schema_that_a_proxy_lets_through() -> None:
    rules = {f"column number {n}": {"type": "float"} for n in range(5_000)}
    contract = DataContract.model_validate(
        {"version": 1, "columns": rules, "primary_key": ["column number 1"], "target": "column number 2"}
    )
    parts = some_parts(LONGEST_TEST)
    for one in dataset_inputs(contract, parts, some_hashes(parts)):
        body = input_body(one)["dataset"]
        assert isinstance(body, dict)
        assert len(body["schema"]) <= limits.DATASET_SCHEMA
        assert limits.RESOLVED_CONFIG in json.loads(body["schema"])["schema"]


async def test_a_param_and_a_tag_that_are_too_long_stand_whole_among_the_records_files(stage: Stage) -> None:
    run = await stage.done(0.5)
    config = with_long_params(ResolvedConfig.model_validate(run.outputs[Step.RESOLVE]))
    identity = "i" * 9_000
    outputs = {**run.outputs, Step.RESOLVE: config.model_dump(mode="json")}
    long = run.model_copy(update={"outputs": outputs, "identity": identity})
    kept = json.loads(record_texts(long)[limits.LONG_VALUES])
    assert kept == {"params": {"categorical_features": LONG}, "tags": {"laurel.request": identity}}
    logged = {tag["key"]: tag["value"] for tag in tag_list(opening_tags(long, config))}
    assert limits.LONG_VALUES in logged["laurel.request"]
    assert limits.LONG_VALUES not in record_texts(run)


async def test_an_open_number_of_threads_is_frozen_into_the_row_and_the_record(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_number = ModelDefinition(version=1, model=Estimator(type="xgboost", params={"n_jobs": -1}))

    async def resolve(asked: AskedVersions) -> ResolvedConfig:
        return a_config(asked.filled_from(stage.config.active)).model_copy(update={"model": open_number})

    before = await stage.done(0.6)
    monkeypatch.setattr(stage.config, "resolve", resolve)
    monkeypatch.setattr(stage, "heavy", replace(stage.heavy, threads=ThreadShare(6)))
    run = await stage.done(0.5)
    assert "fit_threads" not in before.outputs[Step.RESOLVE]
    assert run.outputs[Step.RESOLVE]["fit_threads"] == 6
    assert stage.tracker.runs[run.mlflow_run_id].tags["laurel.fit_threads"] == "6"


async def test_a_run_is_called_by_its_request_its_versions_and_its_end(stage: Stage) -> None:
    """A list of runs is read by their names, and MLflow cuts long ones."""
    first, second = await stage.done(0.5), await stage.done(0.6)
    names = [stage.tracker.runs[run.mlflow_run_id].name for run in (first, second)]
    assert names == [f"{first.run_id[:8]} s1 f1 m1 promoted g1", f"{second.run_id[:8]} s1 f1 m1 declined"]
    note = stage.tracker.runs[second.mlflow_run_id].tags["mlflow.note.content"]
    assert note.startswith("# ")
    assert "**DECLINE**" in note
    described = stage.registry.descriptions
    assert [text.partition(",")[0] for text in described.values()] == ["**PROMOTE**"]
    assert set(stage.tracker.runs[first.mlflow_run_id].inputs) >= {"master", "train", "reference"}
