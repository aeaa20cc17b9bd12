"""What the OpenAPI document says of each page beside what its types say."""

from collections.abc import Mapping
from typing import Any, Final

from domain.request_schema import request_schema
from service.web.problems import MEDIA_TYPE

_Page = Mapping[str, Any]
_TEXT: Final = {"type": "string"}
_FAULT: Final = {
    "type": "object",
    "properties": {"code": _TEXT, "field": _TEXT, "message": _TEXT, "allowed": _TEXT},
    "required": ["code", "field", "message"],
}
PROBLEM_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "description": "Problem details (RFC 9457); `reason` is a code for machines.",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "reason": _TEXT,
        "request_id": {**_TEXT, "description": "Of a 503: repeat with it as Idempotency-Key."},
        "errors": {"type": "array", "items": _FAULT},
    },
    "required": ["type", "title", "status", "detail", "reason"],
}
_MEANS: Final = {
    400: "The body is no JSON object.",
    401: "No credential came, or a wrong one.",
    403: "No credential is configured, so this door is closed.",
    404: "There is no such request.",
    408: "The body did not come whole in time.",
    409: "There is one of that id already.",
    413: "The body is too large.",
    415: "The body is something else than JSON.",
    422: "It cannot be taken in; `errors` names every fault.",
    429: "Too often; Retry-After says when again.",
    503: "Kafka or the run store does not answer; repeating with the same Idempotency-Key is safe.",
}


def refusals(*statuses: int, **means: str) -> dict[int | str, dict[str, Any]]:
    """The refusals of a page, beside those that every page has."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": means.get(f"m{status}", _MEANS[status]), "content": content}
        for status in sorted({401, 403, 429, 503, *statuses})
    }


def json_body(schema: Mapping[str, Any], example: Mapping[str, Any], *, required: bool = True) -> _Page:
    """A JSON body that is read by hand."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "content": content}}


_EXAMPLE: Final = {"feature_version": 1, "split_version": 1, "model_version": 3, "reason": "new sales"}
_LOCATION: Final = {"Location": {"description": "Where the request is shown.", "schema": _TEXT}}

ASK: Final[_Page] = {
    "summary": "Ask for a training",
    "description": "Answered once Kafka has acknowledged the request. The same `Idempotency-Key` again is "
    "the same request, also after a 503. A version that is not named is the one that production uses.",
    "status_code": 202,
    "responses": {
        202: {"description": "Kafka has it.", "headers": _LOCATION},
        **refusals(400, 408, 413, 415, 422),
    },
    "openapi_extra": json_body(request_schema(), _EXAMPLE),
}
LIST: Final[_Page] = {
    "summary": "List requests",
    "description": "Newest first, by whichever door they came.",
    "responses": refusals(422),
}
ONE: Final[_Page] = {
    "summary": "Tell all about one request",
    "description": "Its state, each step with its time, versions, metrics, the verdict with its reasons.",
    "responses": refusals(404, 422),
}
STREAM: Final[_Page] = {
    "summary": "Follow one request",
    "description": "Server-sent events: `state` for each state that it comes to, `waiting` when it waits "
    "for a service, `end` with all about it. `Last-Event-ID` goes on behind what was told before.",
    "responses": refusals(404, 422),
}
