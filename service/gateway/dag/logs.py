"""A task's log: what is known of it, in lines for a person."""

import json
from collections.abc import Iterator

from domain.asked_request import AskedRequest
from domain.run import Run
from service.gateway.dag.tasks import Task
from service.lifecycle.mlflow_pages import run_page


def log_of(task: Task, asked: AskedRequest, mlflow_uri: str) -> str:
    """Write it; the log of the task that failed has the reason with all its facts."""
    return "".join(f"{line}\n" for line in _lines(task, asked, mlflow_uri))


def _lines(task: Task, asked: AskedRequest, mlflow_uri: str) -> Iterator[str]:
    yield f"{task.task_id} of {asked.request_id}: {task.state or 'not begun'}"
    for said, at in (("began", task.began_at), ("ended", task.ended_at)):
        if at is not None:
            yield f"{said} {at.isoformat()}"
    if task.note:
        yield task.note
    if asked.run is None:
        yield "no worker has read the request yet"
        return
    if task.state in {"failed", "up_for_retry"}:
        yield from _failure(asked.run)
    yield from _elsewhere(asked.run, mlflow_uri)


def _failure(run: Run) -> Iterator[str]:
    if run.failure is None:
        return
    yield f"reason: {run.failure.reason}"
    yield f"message: {run.failure.message}"
    for name, value in run.failure.facts.items():
        yield f"{name}: {json.dumps(value, ensure_ascii=False, indent=2)}"


def _elsewhere(run: Run, mlflow_uri: str) -> Iterator[str]:
    yield f"run {run.run_id}, {run.state.value}"
    yield f"the rest is in the worker's log, with the correlation {run.correlation_id}"
    if opened := run.record.opened:
        yield run_page(mlflow_uri, opened)
