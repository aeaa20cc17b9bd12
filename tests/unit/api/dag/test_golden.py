"""Each shape of the DAG API, compared exactly with a recorded one, and with the orchestrator's reference."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more
from pydantic import BaseModel

from domain.asked_request import AskedRequest
from domain.lifecycle import Outcome, Step
from domain.ports.variables import Variable
from domain.run import Failure, TransitionRecord
from service.gateway.dag.shapes import (
    DagCollection,
    DagRunCollection,
    TaskInstanceCollection,
    VariableCollection,
    VariableShape,
)
from service.gateway.dag.tasks import tasks_of
from service.gateway.dag.views import dag_shape, run_shape, task_shape
from tests.kit.lives import PROMOTION, asked, history_of, run_after
from tests.unit.api.dag import recorded

GOLDEN = Path(__file__).parent / "golden"
DAG_ID = "train_pipeline_dag"
OPENED: Mapping[str, Any] = {
    "mlflow_run_id": "m1",
    "outputs": {"open_run": {"mlflow_run_id": "m1", "experiment_id": "7", "artifact_uri": "a"}},
}
FAULT = {
    "code": "unknown_version",
    "field": "model_version",
    "message": "models/v99.yaml does not exist",
    "allowed": "1, 2, 3",
}


def _decided(decision: str, reason: str, **made: int) -> dict[str, Any]:
    verdict = {"decision": decision, "reasons": [reason], "checks": []}
    return {
        "mlflow_run_id": "m1",
        "outputs": {**OPENED["outputs"], Step.DECIDE: {"verdict": verdict, "champion": {}, **made}},
    }


Life = tuple[AskedRequest, tuple[TransitionRecord, ...]]


def _life(*outcomes: Outcome, reason: str | None = None, **run: Any) -> Life:
    history = history_of(outcomes)
    request = asked(run_after(history, **run))
    payload = {**request.payload, **({"reason": reason} if reason else {})}
    return request.model_copy(update={"payload": payload}), history


def _lives() -> Mapping[str, Life]:
    to_decide = PROMOTION[:5]
    away = Failure(reason="mlflow_unavailable", message="MLflow gives an unexpected answer")
    killed = Failure(reason="crash_loop", message="the step train was started 3 times", facts={"attempts": 3})
    refused = Failure(reason="unknown_version", message=FAULT["message"], facts={"faults": [FAULT]})
    promoted = _decided("PROMOTE", "rmsle fell from 0.2 to 0.1", version=4, generation=3)
    declined = _decided("DECLINE", "rmsle 0.2 is not below 0.2")
    return {
        "queued": (asked(None, payload={"model_config_version": 3, "reason": "new sales"}), ()),
        "resolving": _life(),
        "running": _life(*PROMOTION[:3], reason="new sales", **OPENED),
        "waiting": _life(*PROMOTION[:3], waiting_on="mlflow", failure=away, attempts=2, **OPENED),
        "completed": _life(*PROMOTION, reason="new sales", **promoted),
        "declined": _life(*to_decide, Outcome.LOST, **declined),
        "rejected": _life(Outcome.REFUSED, failure=refused),
        "failed": _life(*PROMOTION[:3], Outcome.GAVE_UP, failure=killed, **OPENED),
    }


@pytest.mark.parametrize("name", _lives())
def test_a_run_and_its_tasks_look_as_recorded(name: str) -> None:
    request, history = _lives()[name]
    tasks = tuple(task_shape(task, request, DAG_ID) for task in tasks_of(request.run, history))
    run = DagRunCollection(dag_runs=(run_shape(request, DAG_ID),), total_entries=1)

    _compare(f"{name}_run", run, recorded.collection("dag_runs", recorded.DAG_RUN))
    shown = TaskInstanceCollection(task_instances=tasks, total_entries=len(tasks))
    _compare(f"{name}_tasks", shown, recorded.collection("task_instances", recorded.TASK_INSTANCE))


def test_dags_look_as_recorded() -> None:
    dags = dag_shape("data_pipeline_dag", plays=False), dag_shape(DAG_ID, plays=True)

    _compare("dags", DagCollection(dags=dags, total_entries=2), recorded.collection("dags", recorded.DAG))


def test_variables_look_as_recorded() -> None:
    variable = Variable(key="CURRENT_MASTER_ROWS", value="123")
    shown = VariableShape.model_validate(variable.model_dump())

    page = VariableCollection(variables=(shown,), total_entries=1)
    _compare("variables", page, recorded.collection("variables", recorded.VARIABLE))


def test_every_recorded_file_is_compared() -> None:
    runs = {f"{name}_{part}" for name in _lives() for part in ("run", "tasks")}
    assert {path.stem for path in GOLDEN.iterdir()} == runs | {"dags", "variables"}


def _compare(name: str, shown: BaseModel, reference: Mapping[str, Any]) -> None:
    said = shown.model_dump(mode="json")
    Draft202012Validator(reference).validate(said)
    assert said == json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
