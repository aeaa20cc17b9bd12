"""Cancelling and retrying over HTTP: what both APIs share."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from fastapi import Request

from domain.asked_request import AskedRequest
from domain.faults import Fault
from domain.request import LONGEST_REASON, no_text
from domain.run import Run
from domain.run_actions import Actor
from domain.strict_json import NotStrictJson, parse_object
from service.gateway.refusals import unusable
from service.lifecycle.cancel import Cancelling
from service.runtime.web.bodies import read_body, require_json
from service.runtime.web.problems import ProblemDetails


async def cancelled(
    cancelling: Cancelling, asked: AskedRequest, caller: str, door: str, reason: str | None
) -> AskedRequest:
    """The request with its run cancelled. Raises Problem, CannotCancel, TryLater."""
    run = await cancelling.cancel(has_run(asked), Actor(name=caller, door=door, proven=True), reason)
    return asked.model_copy(update={"run": run})


def has_run(asked: AskedRequest) -> Run:
    """The run of a request. Raises Problem 409 while no worker has read the request."""
    if asked.run is None:
        detail = f"request {asked.request_id!r} has no run yet: no worker has read it; repeat this soon"
        raise ProblemDetails(HTTPStatus.CONFLICT, "not_read_yet", detail)
    return asked.run


async def brief_body(request: Request, most: int) -> Mapping[str, object]:
    """Read a body that may be absent. Raises Problem."""
    body = await read_body(request, most)
    if not body:
        return {}
    require_json(request, said=True)
    return object_in(body)


def object_in(body: bytes) -> dict[str, object]:
    """Read a body as strictly as a record of Kafka. Raises Problem."""
    try:
        return parse_object(body)
    except NotStrictJson as error:
        raise ProblemDetails(HTTPStatus.BAD_REQUEST, error.reason, f"the body: {error.detail}") from error


def unknown_fields(body: Mapping[str, object], known: Iterable[str]) -> list[Fault]:
    """A fault for each field of a body that is not known."""
    known = list(known)
    return [
        Fault(code="unknown_field", field=name, message=f"no such field: {name!r}", allowed=", ".join(known))
        for name in body
        if name not in known
    ]


def reason_in(body: Mapping[str, object]) -> str | None:
    """The one field that a body may have. Raises Problem 422."""
    faults = unknown_fields(body, ["reason"])
    said = body.get("reason")
    reason = said if isinstance(said, str) and len(said) <= LONGEST_REASON else None
    if said is not None and reason is None:
        faults.append(Fault(code="bad_field", field="reason", message=no_text("reason", LONGEST_REASON)))
    if faults:
        raise unusable(faults)
    return reason
