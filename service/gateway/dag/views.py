"""Requests and their runs in the shapes of the DAG API."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from domain.asked_request import AskedRequest
from domain.lifecycle import State
from service.gateway.dag.shapes import Dag, DagRun, RunState, TaskInstance
from service.gateway.dag.tasks import Task, run_note
from service.gateway.dag.times import in_utc

RUN_STATES: Final[Mapping[State, RunState]] = {
    **dict.fromkeys(State, "running"),
    State.REQUESTED: "queued",
    State.COMPLETED: "success",
    State.DECLINED: "success",
    State.REJECTED: "failed",
    State.FAILED: "failed",
}
NAMED_BY_DATE: Final = "manual__"
# What this API itself writes into a request, and what `note` says.
_NOT_OF_CONF: Final = frozenset({"model_name", "requested_by", "request_id", "reason", "retry_of"})


def dag_shape(dag_id: str, *, plays: bool) -> Dag:
    """Show a DAG."""
    description = "The lifecycle of the model, from the request to production" if plays else None
    return Dag(dag_id=dag_id, dag_display_name=dag_id, description=description)


def run_shape(asked: AskedRequest, dag_id: str) -> DagRun:
    """Show a request as a run. Nobody has read it yet, or a worker has it in hand: it is queued."""
    run, at = asked.run, logical_date(asked)
    state = RUN_STATES[run.state] if run else "queued"
    return DagRun(
        dag_id=dag_id,
        dag_run_id=asked.request_id,
        state=state,
        conf={name: value for name, value in asked.payload.items() if name not in _NOT_OF_CONF},
        logical_date=at,
        execution_date=at,
        start_date=run.requested_at if run and state != "queued" else None,
        end_date=run.updated_at if run and run.ended else None,
        data_interval_start=at,
        data_interval_end=at,
        last_scheduling_decision=run.updated_at if run else None,
        note=run_note(asked),
    )


def task_shape(task: Task, asked: AskedRequest, dag_id: str) -> TaskInstance:
    """Show a task."""
    return TaskInstance(
        task_id=task.task_id,
        task_display_name=task.task_id,
        dag_id=dag_id,
        dag_run_id=asked.request_id,
        execution_date=logical_date(asked),
        start_date=task.began_at,
        end_date=task.ended_at,
        duration=task.seconds,
        state=task.state,
        try_number=task.tries,
        note=task.note,
        hostname=task.worker,
    )


def logical_date(asked: AskedRequest) -> datetime:
    """The date that named the run, else when it was asked for."""
    if not asked.request_id.startswith(NAMED_BY_DATE):
        return asked.asked_at
    try:
        at = in_utc(datetime.fromisoformat(asked.request_id.removeprefix(NAMED_BY_DATE)))
    except ValueError:  # another's name, that only begins as ours do
        return asked.asked_at
    return at or asked.asked_at
