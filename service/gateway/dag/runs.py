"""Pages for runs: ask for one, list them, show one."""

import re
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request

from domain.asked_request import ID_PATTERN, AskedRequest
from domain.ports.run_store import RequestFilter
from domain.roles import ASK, OPERATE
from service.gateway.callers import caller_of
from service.gateway.dag.bodies import StateBody, TriggerBody, read_as
from service.gateway.dag.dependencies import DagDependencies
from service.gateway.dag.refusals import absent, already_exists, as_dag_problem, body_of, dag_refusals
from service.gateway.dag.shapes import DagRun, DagRunCollection, RunState
from service.gateway.dag.times import AskedTimes
from service.gateway.dag.views import RUN_STATES, run_shape
from service.gateway.openapi import NOT_READ
from service.gateway.operations import cancelled
from service.gateway.refusals import as_problem
from service.gateway.routes_requests import payload_of
from service.runtime.web.problems import ProblemDetails

_ENTRY: Final = "dag"
_PATH: Final = "/api/v1/dags/{dag_id}/dagRuns"
_ONE: Final = f"{_PATH}/{{dag_run_id}}"
MOST: Final = 100
LAST: Final = 2**31 - 1
_ID: Final = re.compile(ID_PATTERN)

Limit = Annotated[int, Query(ge=0, le=LAST, description=f"At most {MOST}, and so many for 0.")]
Offset = Annotated[int, Query(ge=0, le=LAST, description="So many entries are passed over.")]
DagId = Annotated[str, Path(description="A DAG; `~` is the one that the lifecycle plays.")]
RunId = Annotated[str, Path(description="The id of a run, which is that of its request.")]
States = Annotated[list[RunState] | None, Query(description="Only these; several are allowed.")]
Order = Annotated[
    str,
    Query(
        pattern="^-?(id|run_id|dag_run_id|start_date|end_date|execution_date|logical_date|updated_at)$",
        description="Always by the time of the request; with a minus before it, newest first.",
    ),
]


def page_size(limit: int) -> int:
    """So many entries at most."""
    return min(limit or MOST, MOST)


async def found(dependencies: DagDependencies, dag_id: str, run_id: str) -> AskedRequest:
    """The request of a run. Raises Problem 404."""
    asked = None
    if dependencies.plays(dag_id) and _ID.fullmatch(run_id):
        with as_problem():
            asked = await dependencies.requests.get(run_id)
    if asked is None:
        raise absent(f"run {run_id!r} of DAG {dag_id!r}")
    return asked


def add_run_routes(router: APIRouter, dependencies: DagDependencies) -> None:
    """Add the pages."""
    _add_trigger(router, dependencies)
    _add_failing(router, dependencies)

    @router.get(_PATH, summary="List runs", responses=dag_refusals())
    async def runs(
        dag_id: DagId,
        times: AskedTimes,
        limit: Limit = MOST,
        offset: Offset = 0,
        order_by: Order = "id",
        state: States = None,
    ) -> DagRunCollection:
        """By whichever door their requests came, in the order of the asking, oldest first.

        With `order_by` any date with a minus before it, newest first.
        """
        if not dependencies.plays(dag_id):
            return DagRunCollection(dag_runs=(), total_entries=0)
        asked_in = times.started.within(times.executed)
        wanted = RequestFilter(
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
            page, total = await dependencies.requests.page(wanted, page_size(limit), offset)
        shapes = tuple(run_shape(asked, dependencies.dag_id) for asked in page)
        return DagRunCollection(dag_runs=shapes, total_entries=total)

    @router.get(_ONE, summary="Show one run", responses=dag_refusals())
    async def run(dag_id: DagId, dag_run_id: RunId) -> DagRun:
        return run_shape(await found(dependencies, dag_id, dag_run_id), dependencies.dag_id)


def _add_trigger(router: APIRouter, dependencies: DagDependencies) -> None:
    @router.post(
        _PATH,
        summary="Ask for a training",
        responses=dag_refusals(
            408, 409, 413, 415, m409="There is a run of that id or logical date, or the DAG is only listed."
        ),
        openapi_extra=body_of(
            TriggerBody, conf={"feature_version": 1, "split_version": 1, "model_version": 3}
        ),
    )
    async def trigger(dag_id: DagId, request: Request) -> DagRun:
        """Answered once Kafka has the request: queued.

        What the worker finds wrong with it then stands in the run's `note`. Whoever sends neither an id nor a
        date may repeat after a 503: an equal request is taken for the same one. `execution_date`, the old
        name of `logical_date`, is taken too. `data_interval_start` and `_end` come together; they choose no
        data, and are not kept.
        """
        if not dependencies.plays(dag_id):
            raise _not_here(dag_id, dependencies)
        caller = caller_of(request, ASK)
        body = read_as(TriggerBody, await payload_of(request, dependencies.max_body_bytes))
        await dependencies.asks.count(caller)
        with as_dag_problem(body.run_id, dag_id):
            taken = await dependencies.asking.ask(
                body.payload, door=_ENTRY, asked_by=caller, request_id=body.run_id
            )
            if taken.was_there and body.run_id is not None:
                raise already_exists(taken.request_id, dag_id)
            async with dependencies.asking.answering(taken.request_id):
                asked = await dependencies.requests.get(taken.request_id)
        if asked is None:
            raise absent(f"run {taken.request_id!r} of DAG {dag_id!r}")
        return run_shape(asked, dependencies.dag_id)


def _add_failing(router: APIRouter, dependencies: DagDependencies) -> None:
    @router.patch(
        _ONE,
        summary="Call a run off",
        responses=dag_refusals(
            408, 409, 413, 415,
            m403="The user has not the role `operate`, or the door is closed.",
            m409=f"{NOT_READ}, or the run is EVALUATED already, or has ended otherwise.",
        ),
        openapi_extra=body_of(StateBody, state="failed"),
    )  # fmt: skip
    async def fail(dag_id: DagId, dag_run_id: RunId, request: Request) -> DagRun:
        """Set its state to failed before it is evaluated: it ends FAILED with the reason `cancelled`.

        That is announced. It may be repeated. Needs the role `operate` (API__BASIC_ROLES).
        """
        caller = caller_of(request, OPERATE)
        read_as(StateBody, await payload_of(request, dependencies.max_body_bytes))
        asked = await found(dependencies, dag_id, dag_run_id)
        with as_problem():
            ended = await cancelled(
                dependencies.cancelling, asked, caller, _ENTRY, "its state was set to failed"
            )
        return run_shape(ended, dependencies.dag_id)


def _not_here(dag_id: str, dependencies: DagDependencies) -> ProblemDetails:
    detail = (
        f"DAG {dag_id!r} is only listed here and runs elsewhere; this server runs {dependencies.dag_id!r}"
    )
    return ProblemDetails(HTTPStatus.CONFLICT, "does_not_run_here", detail)
