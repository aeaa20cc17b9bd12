"""Pages for runs: ask for one, list them, show one."""

import re
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from domain.asked_request import AskedRequest
from domain.ports.asked_requests import Wanted
from service.api.asking import ID_PATTERN
from service.api.dag.bodies import TriggerBody, read_as
from service.api.dag.descriptions import RUN, RUNS, TRIGGER
from service.api.dag.desk import DagDesk
from service.api.dag.refusals import absent, already_exists, as_dag_problem
from service.api.dag.shapes import DagRun, DagRunCollection, RunState
from service.api.dag.times import AskedTimes
from service.api.dag.views import RUN_STATES, run_shape
from service.api.refusals import as_problem
from service.api.requests import payload_of
from service.web.problems import Problem

_DOOR: Final = "dag"
_PATH: Final = "/api/v1/dags/{dag_id}/dagRuns"
MOST: Final = 100
LAST: Final = 2**31 - 1
_ID: Final = re.compile(ID_PATTERN)

Limit = Annotated[int, Query(ge=0, le=LAST, description=f"At most {MOST}, and so many for 0.")]
Offset = Annotated[int, Query(ge=0, le=LAST)]
States = Annotated[list[RunState] | None, Query(description="Only these; several are allowed.")]
Order = Annotated[
    str,
    Query(
        pattern="^-?(id|run_id|dag_run_id|start_date|end_date|execution_date|logical_date|updated_at)$",
        description="By the time of the asking in any case; with a minus before it, newest first.",
    ),
]


def page_size(limit: int) -> int:
    """So many entries at most."""
    return min(limit or MOST, MOST)


async def found(desk: DagDesk, dag_id: str, run_id: str) -> AskedRequest:
    """The request of a run. Raises Problem 404."""
    asked = None
    if desk.plays(dag_id) and _ID.fullmatch(run_id):
        with as_problem():
            asked = await desk.requests.get(run_id)
    if asked is None:
        raise absent(f"run {run_id!r} of DAG {dag_id!r}")
    return asked


def add_run_routes(router: APIRouter, desk: DagDesk) -> None:
    """Add the pages."""
    _add_trigger(router, desk)

    @router.get(_PATH, **RUNS)
    async def runs(
        dag_id: str,
        times: AskedTimes,
        limit: Limit = MOST,
        offset: Offset = 0,
        order_by: Order = "id",
        state: States = None,
    ) -> DagRunCollection:
        if not desk.plays(dag_id):
            return DagRunCollection(dag_runs=(), total_entries=0)
        asked_in = times.started.within(times.executed)
        wanted = Wanted(
            states=tuple(inner for inner, outer in RUN_STATES.items() if outer in (state or ())),
            since=asked_in.since,
            until=asked_in.until,
            ended_since=times.ended.since,
            ended_until=times.ended.until,
            updated_since=times.updated.since,
            updated_until=times.updated.until,
            newest_first=order_by.startswith("-"),
        )
        with as_problem():
            page, total = await desk.requests.page(wanted, page_size(limit), offset)
        shapes = tuple(run_shape(asked, desk.dag_id) for asked in page)
        return DagRunCollection(dag_runs=shapes, total_entries=total)

    @router.get(f"{_PATH}/{{dag_run_id}}", **RUN)
    async def run(dag_id: str, dag_run_id: str) -> DagRun:
        return run_shape(await found(desk, dag_id, dag_run_id), desk.dag_id)


def _add_trigger(router: APIRouter, desk: DagDesk) -> None:
    @router.post(_PATH, **TRIGGER)
    async def trigger(dag_id: str, request: Request) -> DagRun:
        if not desk.plays(dag_id):
            raise _not_here(dag_id, desk)
        caller = request.state.caller
        body = read_as(TriggerBody, await payload_of(request, desk.max_body_bytes))
        await desk.asks.count(caller)
        with as_dag_problem(body.run_id, dag_id):
            taken = await desk.asking.ask(body.payload, door=_DOOR, asked_by=caller, request_id=body.run_id)
            if taken.was_there and body.run_id is not None:
                raise already_exists(taken.request_id, dag_id)
            async with desk.asking.answering(taken.request_id):
                asked = await desk.requests.get(taken.request_id)
        if asked is None:
            raise absent(f"run {taken.request_id!r} of DAG {dag_id!r}")
        return run_shape(asked, desk.dag_id)


def _not_here(dag_id: str, desk: DagDesk) -> Problem:
    detail = f"DAG {dag_id!r} is only listed here, and run by others; here runs {desk.dag_id!r}"
    return Problem(HTTPStatus.CONFLICT, "does_not_run_here", detail)
