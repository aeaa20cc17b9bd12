"""Pages for the tasks of a run, and their logs."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from domain.asked_request import AskedRequest
from service.api.dag.descriptions import LOG, TASK, TASKS
from service.api.dag.desk import DagDesk
from service.api.dag.logs import log_of
from service.api.dag.refusals import absent
from service.api.dag.runs import MOST, Limit, Offset, found, page_size
from service.api.dag.shapes import END_OF_LOG, UNMAPPED, TaskInstance, TaskInstanceCollection, TaskLog
from service.api.dag.task_filters import Wanted
from service.api.dag.tasks import Task, tasks_of
from service.api.dag.views import task_shape
from service.api.parameters import Flag
from service.api.refusals import as_problem

_PATH: Final = "/api/v1/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances"

FullContent = Annotated[Flag, Query(description="The whole log, whichever token comes with it.")]
MapIndex = Annotated[int, Query(description=f"No task is mapped: {UNMAPPED} is the only one there is.")]
Token = Annotated[str | None, Query(description="The `continuation_token` of the answer before.")]


def add_task_routes(router: APIRouter, desk: DagDesk) -> None:
    """Add the pages."""

    @router.get(_PATH, **TASKS)
    async def tasks(
        dag_id: str, dag_run_id: str, wanted: Wanted, limit: Limit = MOST, offset: Offset = 0
    ) -> TaskInstanceCollection:
        asked, all_tasks = await _tasks(desk, dag_id, dag_run_id)
        shapes = tuple(task_shape(task, asked, desk.dag_id) for task in all_tasks)
        kept = tuple(filter(wanted.keeps, shapes))
        page = kept[offset : offset + page_size(limit)]
        return TaskInstanceCollection(task_instances=page, total_entries=len(kept))

    @router.get(f"{_PATH}/{{task_id}}", **TASK)
    async def task(dag_id: str, dag_run_id: str, task_id: str) -> TaskInstance:
        asked, this = await _task(desk, dag_id, dag_run_id, task_id)
        return task_shape(this, asked, desk.dag_id)

    @router.get(f"{_PATH}/{{task_id}}/logs/{{task_try_number}}", response_model=TaskLog, **LOG)
    async def log(
        request: Request,
        dag_id: str,
        dag_run_id: str,
        task_id: str,
        task_try_number: int,
        full_content: FullContent = False,  # noqa: FBT002 - FastAPI passes it by name
        map_index: MapIndex = UNMAPPED,
        token: Token = None,
    ) -> Response:
        del task_try_number  # what is known of a task is known of its last try
        asked, this = await _task(desk, dag_id, dag_run_id, task_id)
        if map_index != UNMAPPED:
            raise absent(f"map_index {map_index} of task {task_id!r}, which is not mapped,")
        told_already = token == END_OF_LOG and not full_content
        text = "" if told_already else log_of(this, asked, desk.mlflow_uri)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(TaskLog(content=text).model_dump())
        return PlainTextResponse(text)


async def _tasks(desk: DagDesk, dag_id: str, run_id: str) -> tuple[AskedRequest, tuple[Task, ...]]:
    """The request of a run with its tasks. The history is read behind the run: it may be ahead."""
    asked = await found(desk, dag_id, run_id)
    with as_problem():
        history = await desk.runs.history(asked.run.run_id) if asked.run else ()
    return asked, tasks_of(asked.run, history)


async def _task(desk: DagDesk, dag_id: str, run_id: str, task_id: str) -> tuple[AskedRequest, Task]:
    asked, tasks = await _tasks(desk, dag_id, run_id)
    for task in tasks:
        if task.task_id == task_id:
            return asked, task
    raise absent(f"task {task_id!r} of run {run_id!r}")
