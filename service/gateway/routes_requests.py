"""Laurel's own pages: ask for a training, and see what became of it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from domain.asked_request import (
    CLI_SOURCE,
    ID_PATTERN,
    LONGEST_ID,
    AskedRequest,
    identity_of,
    plain_identity_of,
)
from domain.lifecycle import State
from domain.ports.run_store import AskedRequests, RequestFilter, RunStore
from domain.ports.workers import Workers
from domain.roles import ASK, OPERATE
from domain.run import Run
from domain.run_actions import retry_payload
from service.gateway.callers import caller_of
from service.gateway.idempotency import KEY, Key, key_of, request_id_in
from service.gateway.openapi import NOT_READ, REQUEST_BODY, TAKEN, reason_body, refusals
from service.gateway.operations import brief_body, cancelled, has_run, object_in, reason_in
from service.gateway.rates import Rate
from service.gateway.refusals import DescribedRoute, Moment, as_problem, not_found
from service.gateway.routes_decisions import Decisions, add_decision_routes
from service.gateway.routes_workers import add_worker_routes
from service.gateway.run_stream import Progress, Streams
from service.gateway.submissions import Asking
from service.gateway.views import PageView, Viewer, WholeRequestView, path_of
from service.lifecycle.cancel import Cancelling
from service.promotion.promoting import PersonPromotion
from service.promotion.rollback import Rollback
from service.runtime.web.bodies import read_body, require_json

_ENTRY: Final = "api"
_MOST: Final = 100
_LAST: Final = 2**31 - 1

RequestId = Annotated[
    str,
    Path(
        pattern=ID_PATTERN,
        max_length=LONGEST_ID,
        description="The request's id, as its sender knows it, or its run's.",
    ),
]
States = Annotated[list[State] | None, Query(description="Only these; several are allowed.")]
RequestInterfaces = Annotated[
    list[Literal["api", "dag", "kafka"]] | None, Query(description="Only those that came in this way.")
]
OptionalMoment = Annotated[Moment | None, Query(description="With its offset from UTC.")]
Limit = Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")]
Offset = Annotated[int, Query(ge=0, le=_LAST, description="So many are passed over.")]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", pattern=r"^\d{1,9}$", description="The id of the last event that came."),
]


@dataclass(frozen=True)
class RouteDependencies:
    """What the pages are made of."""

    asking: Asking
    requests: AskedRequests
    runs: RunStore
    viewer: Viewer
    asks: Rate
    streams: Streams
    cancelling: Cancelling
    workers: Workers
    model_name: str
    max_body_bytes: int
    rollback: Rollback
    promotion: PersonPromotion

    async def found(self, request_id: str) -> AskedRequest:
        """The request. Raises Problem 404, TryLater."""
        asked = await self.requests.get(request_id) or await self._sent_past_us(request_id)
        if asked is None:
            raise not_found(f"request {request_id!r}; repeat one that was answered 503")
        return asked

    async def run_of(self, text: str) -> Run:
        """The run of that id, or of the request of that id. Raises Problem 404 or 409, TryLater."""
        return await self.runs.get(text) or has_run(await self.found(text))

    async def _sent_past_us(self, request_id: str) -> AskedRequest | None:
        """The request under the id that its sender gave it, of `laurel request` or a plain producer."""
        for identity in (identity_of(request_id, CLI_SOURCE), plain_identity_of(request_id)):
            for run in await self.runs.find(identity):
                if run.identity == identity and (asked := await self.requests.get(run.run_id)):
                    return asked
        return None

    async def whole(self, asked: AskedRequest) -> WholeRequestView:
        """All about a request. Raises TryLater."""
        history = await self.runs.history(asked.run.run_id) if asked.run else ()
        return self.viewer.whole(asked, history)


def request_routes(dependencies: RouteDependencies) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["training requests"], route_class=DescribedRoute)
    _add_asking(router, dependencies)
    _add_looking(router, dependencies)
    _add_following(router, dependencies)
    _add_operating(router, dependencies)
    add_worker_routes(router, dependencies.workers, dependencies.model_name)
    add_decision_routes(
        router,
        Decisions(
            dependencies.rollback, dependencies.promotion, dependencies.run_of, dependencies.max_body_bytes
        ),
    )
    return router


def _add_asking(router: APIRouter, dependencies: RouteDependencies) -> None:
    @router.post(
        "/training-requests",
        summary="Ask for a training",
        status_code=HTTPStatus.ACCEPTED,
        responses={**TAKEN, **refusals(400, 408, 413, 415, 422)},
        openapi_extra=REQUEST_BODY,
    )
    async def ask(request: Request, response: Response, _: Key = None) -> WholeRequestView:
        """Answered once Kafka has acknowledged the request.

        The same `Idempotency-Key` again is the same request, also after a 503. A version that is not named is
        the one that production uses.
        """
        caller = caller_of(request, ASK)
        payload = await payload_of(request, dependencies.max_body_bytes)
        request_id = request_id_in(request.headers.getlist(KEY), payload)
        await dependencies.asks.count(caller)
        with as_problem():
            return await _answered(dependencies, response, payload, caller, request_id)


def _add_operating(router: APIRouter, dependencies: RouteDependencies) -> None:
    @router.post(
        "/training-requests/{request_id}/cancel",
        summary="Call a run off",
        responses=refusals(
            400, 404, 408, 409, 413, 415, 422,
            m403="The caller has not the role `operate`, or the door is closed.",
            m409=f"{NOT_READ}, or the run is EVALUATED already, or has ended otherwise.",
            m503="The run store does not answer; repeating is safe.",
        ),
        openapi_extra=reason_body("wrong data"),
    )  # fmt: skip
    async def cancel(request: Request, request_id: RequestId) -> WholeRequestView:
        """It ends FAILED with the reason `cancelled`, which is announced.

        Its worker stops within about a second. It may be repeated. Needs the role `operate`; who did it is
        kept with the run.
        """
        caller = caller_of(request, OPERATE)
        reason = reason_in(await brief_body(request, dependencies.max_body_bytes))
        with as_problem():
            asked = await dependencies.found(request_id)
            return await dependencies.whole(
                await cancelled(dependencies.cancelling, asked, caller, _ENTRY, reason)
            )

    @router.post(
        "/training-requests/{request_id}/retry",
        summary="Ask again for what a run was asked for",
        status_code=HTTPStatus.ACCEPTED,
        responses={
            **TAKEN,
            **refusals(400, 404, 408, 409, 413, 415, 422, m409=f"{NOT_READ}, or its run has not ended."),
        },
        openapi_extra=reason_body("the disk has room again"),
    )
    async def retry(
        request: Request, response: Response, request_id: RequestId, _: Key = None
    ) -> WholeRequestView:
        """A new request that names the old run in `retry_of`.

        Answered as asking is; what was left open is filled from production as it is now.
        """
        caller = caller_of(request, ASK)
        reason = reason_in(await brief_body(request, dependencies.max_body_bytes))
        key = key_of(request)
        await dependencies.asks.count(caller)
        with as_problem():
            payload = retry_payload(has_run(await dependencies.found(request_id)), caller, reason)
            return await _answered(dependencies, response, payload, caller, key)


async def _answered(
    dependencies: RouteDependencies,
    response: Response,
    payload: Mapping[str, object],
    caller: str,
    request_id: str | None,
) -> WholeRequestView:
    """Ask, and show what became of it. Raises what asking raises."""
    taken = await dependencies.asking.ask(payload, door=_ENTRY, asked_by=caller, request_id=request_id)
    response.headers["Location"] = path_of(taken.request_id)
    async with dependencies.asking.answering(taken.request_id):
        return await dependencies.whole(await dependencies.found(taken.request_id))


def _add_looking(router: APIRouter, dependencies: RouteDependencies) -> None:
    @router.get("/training-requests", summary="List requests", responses=refusals(422))
    async def requests(
        state: States = None,
        door: RequestInterfaces = None,
        since: OptionalMoment = None,
        until: OptionalMoment = None,
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> PageView:
        """Newest first, by whichever door they came."""
        wanted = RequestFilter(
            states=tuple(state or ()), interfaces=tuple(door or ()), since=since, until=until
        )
        with as_problem():
            found, total = await dependencies.requests.page(wanted, limit, offset)
        return PageView(
            training_requests=tuple(map(dependencies.viewer.request, found)),
            total=total,
            limit=limit,
            offset=offset,
            next=_next(wanted, limit, offset + len(found)) if offset + len(found) < total else None,
        )

    @router.get(
        "/training-requests/{request_id}",
        summary="Tell all about one request",
        responses=refusals(404, 422),
    )
    async def one(request_id: RequestId) -> WholeRequestView:
        """Its state, each step with its time, versions, metrics, the verdict with its reasons."""
        with as_problem():
            return await dependencies.whole(await dependencies.found(request_id))


def _add_following(router: APIRouter, dependencies: RouteDependencies) -> None:
    progress = Progress(dependencies.requests, dependencies.runs, dependencies.viewer, dependencies.streams)

    async def followed(request_id: RequestId) -> AsyncIterator[AskedRequest]:
        """Found, and a place taken, before the answer begins: afterwards it is too late to say no."""
        with as_problem():
            asked = await dependencies.found(request_id)
        async with dependencies.streams.place():
            yield asked

    @router.get(
        "/training-requests/{request_id}/events",
        summary="Follow one request",
        response_class=EventSourceResponse,
        responses=refusals(404, 422),
    )
    async def events(
        asked: Annotated[AskedRequest, Depends(followed)], last: LastEventId = None
    ) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events: `state` for each state that it comes to, `waiting` when it waits for a service.

        `end` comes last, with all about it. `Last-Event-ID` goes on after what was told before.
        """
        async for event in progress.follow(asked, -1 if last is None else int(last)):
            yield event


async def payload_of(request: Request, most: int) -> dict[str, object]:
    """Read a body as strictly as a record of Kafka. Raises Problem."""
    require_json(request, said=True)
    return object_in(await read_body(request, most))


def _next(wanted: RequestFilter, limit: int, offset: int) -> str:
    asked: list[tuple[str, object]] = [("state", state.value) for state in wanted.states]
    asked += [("door", name) for name in wanted.interfaces]
    moments = (("since", wanted.since), ("until", wanted.until))
    asked += [(name, at.isoformat()) for name, at in moments if at is not None]
    return f"/training-requests?{urlencode([*asked, ('limit', limit), ('offset', offset)])}"
