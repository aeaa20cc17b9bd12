"""Pages for the tasks of a run: which ones a caller wants to see, and what is known of each as its log."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from domain.asked_request import AskedRequest
from domain.run import Run
from service.gateway.dag.dependencies import DagDependencies
from service.gateway.dag.refusals import absent, dag_refusals
from service.gateway.dag.runs import MOST, DagId, Limit, Offset, RunId, found, page_size
from service.gateway.dag.shapes import (
    END_OF_LOG,
    UNMAPPED,
    TaskInstance,
    TaskInstanceCollection,
    TaskLog,
    TaskState,
)
from service.gateway.dag.tasks import Task, tasks_of
from service.gateway.dag.times import AskedTimes
from service.gateway.dag.views import task_shape
from service.gateway.refusals import Flag, Texts, as_problem
from service.lifecycle.mlflow_pages import run_page

# Every state that an orchestrator has: one that no task of ours comes to finds none.
AskedState = Literal[
    TaskState, "none", "null", "scheduled", "deferred", "up_for_reschedule", "removed", "restarting"
]
States = Annotated[
    list[AskedState] | None, Query(description="Only these; `none` is a task that has not begun.")
]
Names = Annotated[Texts, Query(description="Only tasks of these; several are allowed.")]
Seconds = Annotated[float | None, Query(allow_inf_nan=False, description="In seconds, inclusive.")]


@dataclass(frozen=True)
class TaskFilter:
    """What was asked for; None asks for nothing."""

    times: AskedTimes
    state: States = None
    pool: Names = None
    queue: Names = None
    executor: Names = None
    duration_gte: Seconds = None
    duration_lte: Seconds = None

    def keeps(self, task: TaskInstance) -> bool:
        """True for a task that is wanted."""
        return all(self._tests(task))

    def _tests(self, task: TaskInstance) -> Iterator[bool]:
        yield self.times.started.holds(task.start_date)
        yield self.times.executed.holds(task.execution_date)
        yield self.times.ended.holds(task.end_date)
        yield self.times.updated.holds(task.end_date or task.start_date)
        yield self.duration_gte is None or (task.duration is not None and task.duration >= self.duration_gte)
        yield self.duration_lte is None or (task.duration is not None and task.duration <= self.duration_lte)
        named = ((self.pool, task.pool), (self.queue, task.queue), (self.executor, task.executor))
        yield all(wanted is None or name in wanted for wanted, name in named)
        yield self.state is None or bool({task.state or "none", task.state or "null"} & set(self.state))


Wanted = Annotated[TaskFilter, Depends(TaskFilter)]


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


_PATH: Final = "/api/v1/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"

TaskId = Annotated[str, Path(description="One of the ten tasks.")]
TryNumber = Annotated[int, Path(description="Any: what is known of a task is known of its last try.")]
FullContent = Annotated[Flag, Query(description="The whole log, whichever token comes with it.")]
MapIndex = Annotated[int, Query(description=f"No task is mapped: {UNMAPPED} is the only one there is.")]
Token = Annotated[str | None, Query(description="The `continuation_token` of the previous answer.")]


def add_task_routes(router: APIRouter, dependencies: DagDependencies) -> None:
    """Add the pages."""

    @router.get(_PATH, summary="List the tasks of a run", responses=dag_refusals())
    async def tasks(
        dag_id: DagId, dag_run_id: RunId, wanted: Wanted, limit: Limit = MOST, offset: Offset = 0
    ) -> TaskInstanceCollection:
        """All ten, in their order, or those that the filters leave."""
        asked, all_tasks = await _tasks(dependencies, dag_id, dag_run_id)
        shapes = tuple(task_shape(task, asked, dependencies.dag_id) for task in all_tasks)
        kept = tuple(filter(wanted.keeps, shapes))
        page = kept[offset : offset + page_size(limit)]
        return TaskInstanceCollection(task_instances=page, total_entries=len(kept))

    @router.get(f"{_PATH}/{{task_id}}", summary="Show one task of a run", responses=dag_refusals())
    async def task(dag_id: DagId, dag_run_id: RunId, task_id: TaskId) -> TaskInstance:
        asked, this = await _task(dependencies, dag_id, dag_run_id, task_id)
        return task_shape(this, asked, dependencies.dag_id)

    @router.get(
        f"{_PATH}/{{task_id}}/logs/{{task_try_number}}",
        summary="Read the log of a task",
        response_model=TaskLog,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **dag_refusals()},
    )
    async def log(
        request: Request,
        dag_id: DagId,
        dag_run_id: RunId,
        task_id: TaskId,
        task_try_number: TryNumber,
        full_content: FullContent = False,  # noqa: FBT002 - FastAPI passes it by name
        map_index: MapIndex = UNMAPPED,
        token: Token = None,
    ) -> Response:
        """What is known of it: when, how it came out, and the reason with its facts.

        Plain text unless `Accept` asks for JSON. It comes whole; after the `continuation_token` of an answer
        is nothing.
        """
        del task_try_number
        asked, this = await _task(dependencies, dag_id, dag_run_id, task_id)
        if map_index != UNMAPPED:
            raise absent(f"map_index {map_index} of task {task_id!r}, which is not mapped,")
        told_already = token == END_OF_LOG and not full_content
        text = "" if told_already else log_of(this, asked, dependencies.mlflow_uri)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(TaskLog(content=text).model_dump())
        return PlainTextResponse(text)


async def _tasks(
    dependencies: DagDependencies, dag_id: str, run_id: str
) -> tuple[AskedRequest, tuple[Task, ...]]:
    """The request of a run with its tasks. The history is read after the run: it may be ahead."""
    asked = await found(dependencies, dag_id, run_id)
    with as_problem():
        history = await dependencies.runs.history(asked.run.run_id) if asked.run else ()
    return asked, tasks_of(asked.run, history)


async def _task(
    dependencies: DagDependencies, dag_id: str, run_id: str, task_id: str
) -> tuple[AskedRequest, Task]:
    asked, tasks = await _tasks(dependencies, dag_id, run_id)
    for task in tasks:
        if task.task_id == task_id:
            return asked, task
    raise absent(f"task {task_id!r} of run {run_id!r}")
