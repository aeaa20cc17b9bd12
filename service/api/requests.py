"""Laurel's own pages: ask for a training, and see what became of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent

from domain.asked_request import AskedRequest
from domain.faults import Fault
from domain.lifecycle import State
from domain.ports.asked_requests import AskedRequests, Wanted
from domain.ports.run_store import RunStore
from handlers.strict_json import NotStrictJson, parse_object
from service.api.asking import ID_PATTERN, LONGEST_ID, Asking
from service.api.descriptions import ASK, LIST, ONE, STREAM
from service.api.parameters import DescribedRoute, Moment
from service.api.progress import Progress, Streams
from service.api.rates import Rate
from service.api.refusals import as_problem, not_found, unusable
from service.api.views import PageView, Viewer, WholeRequestView, path_of
from service.web.bodies import read_body, require_json
from service.web.problems import Problem

_DOOR: Final = "api"
_KEY: Final = "Idempotency-Key"
_MOST: Final = 100
_LAST: Final = 2**31 - 1

RequestId = Annotated[
    str, Path(pattern=ID_PATTERN, max_length=LONGEST_ID, description="Of the request, or of its run.")
]
# For the document; it is read from the headers themselves, where it may stand twice.
Key = Annotated[str | None, Header(alias=_KEY, description="The id of the request.")]
States = Annotated[list[State] | None, Query(description="Only these; several are allowed.")]
Doors = Annotated[list[Literal["api", "dag", "kafka"]] | None, Query(description="Only by these doors.")]
OptionalMoment = Annotated[Moment | None, Query(description="With its offset from UTC.")]
Limit = Annotated[int, Query(ge=1, le=_MOST)]
Offset = Annotated[int, Query(ge=0, le=_LAST)]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", pattern=r"^\d{1,9}$")]


@dataclass(frozen=True)
class Desk:
    """What the pages are made of."""

    asking: Asking
    requests: AskedRequests
    runs: RunStore
    viewer: Viewer
    asks: Rate
    streams: Streams
    max_body_bytes: int

    async def found(self, request_id: str) -> AskedRequest:
        """The request. Raises Problem 404, TryLater."""
        asked = await self.requests.get(request_id)
        if asked is None:
            raise not_found(f"request {request_id!r}; one that was answered 503 is to be repeated")
        return asked

    async def whole(self, request_id: str) -> WholeRequestView:
        """All about a request. Raises Problem 404, TryLater."""
        asked = await self.found(request_id)
        history = await self.runs.history(asked.run.run_id) if asked.run else ()
        return self.viewer.whole(asked, history)


def request_routes(desk: Desk) -> APIRouter:
    """Make the pages."""
    router = APIRouter(tags=["training requests"], route_class=DescribedRoute)
    _add_asking(router, desk)
    _add_looking(router, desk)
    _add_following(router, desk)
    return router


def _add_asking(router: APIRouter, desk: Desk) -> None:
    @router.post("/training-requests", **ASK)
    async def ask(request: Request, response: Response, _: Key = None) -> WholeRequestView:
        caller = request.state.caller
        payload = await payload_of(request, desk.max_body_bytes)
        request_id = _request_id(request.headers.getlist(_KEY), payload)
        await desk.asks.count(caller)
        with as_problem():
            taken = await desk.asking.ask(payload, door=_DOOR, asked_by=caller, request_id=request_id)
            response.headers["Location"] = path_of(taken.request_id)
            async with desk.asking.answering(taken.request_id):
                return await desk.whole(taken.request_id)


def _add_looking(router: APIRouter, desk: Desk) -> None:
    @router.get("/training-requests", **LIST)
    async def requests(
        state: States = None,
        door: Doors = None,
        since: OptionalMoment = None,
        until: OptionalMoment = None,
        limit: Limit = 20,
        offset: Offset = 0,
    ) -> PageView:
        wanted = Wanted(states=tuple(state or ()), doors=tuple(door or ()), since=since, until=until)
        with as_problem():
            found, total = await desk.requests.page(wanted, limit, offset)
        return PageView(
            training_requests=tuple(map(desk.viewer.request, found)),
            total=total,
            limit=limit,
            offset=offset,
            next=_next(wanted, limit, offset + len(found)) if offset + len(found) < total else None,
        )

    @router.get("/training-requests/{request_id}", **ONE)
    async def one(request_id: RequestId) -> WholeRequestView:
        with as_problem():
            return await desk.whole(request_id)


def _add_following(router: APIRouter, desk: Desk) -> None:
    progress = Progress(desk.requests, desk.runs, desk.viewer, desk.streams)

    async def followed(request_id: RequestId) -> AsyncIterator[AskedRequest]:
        """Found, and a place taken, before the answer begins: afterwards it is too late to say no."""
        with as_problem():
            asked = await desk.found(request_id)
        async with desk.streams.place():
            yield asked

    @router.get("/training-requests/{request_id}/events", response_class=EventSourceResponse, **STREAM)
    async def events(
        asked: Annotated[AskedRequest, Depends(followed)], last: LastEventId = None
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in progress.follow(asked, -1 if last is None else int(last)):
            yield event


async def payload_of(request: Request, most: int) -> dict[str, Any]:
    """Read a body as strictly as a record of Kafka. Raises Problem."""
    require_json(request)
    body = await read_body(request, most)
    try:
        return parse_object(body)
    except NotStrictJson as error:
        raise Problem(HTTPStatus.BAD_REQUEST, error.reason, f"the body: {error.detail}") from error


def _request_id(keys: Sequence[str], payload: Mapping[str, Any]) -> str | None:
    """The id of a request: its header's, in quotes or without, or that in its body. Raises Problem."""
    named = {_unquoted(key) for key in keys}
    within = payload.get("request_id")
    if isinstance(within, str):
        named.add(within)
    if len(named) > 1 or (named and within is not None and not isinstance(within, str)):
        message = f"{_KEY} and request_id disagree; give one, or the same twice"
        raise unusable([Fault(code="bad_id", field="request_id", message=message)])
    return next(iter(named), None)


def _unquoted(key: str) -> str:
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key


def _next(wanted: Wanted, limit: int, offset: int) -> str:
    asked: list[tuple[str, Any]] = [("state", state.value) for state in wanted.states]
    asked += [("door", door) for door in wanted.doors]
    moments = (("since", wanted.since), ("until", wanted.until))
    asked += [(name, at.isoformat()) for name, at in moments if at is not None]
    return f"/training-requests?{urlencode([*asked, ('limit', limit), ('offset', offset)])}"
