"""Reading a request's body, within bounds."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from starlette.types import Message

from service.web.json_text import parse_json
from service.web.problems import Problem

_SECONDS: Final = 30.0  # from its head to its last byte; uvicorn itself would wait for ever


async def read_body(request: Request, most: int, seconds: float = _SECONDS) -> bytes:
    """Read the whole body. Raises Problem when it is larger than `most` bytes, or does not come in time."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _gather(request, most)
    except TimeoutError:
        raise _incomplete(f"the body did not come whole within {seconds:g} s") from None


def read_json(body: bytes) -> Any:
    """Read JSON. Raises Problem for anything else, NaN, half a surrogate pair and deep nesting included."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "not_json", f"the body is no JSON: {error}") from None


def require_json(request: Request) -> None:
    """Raise Problem for a body that says of itself that it is something else."""
    content_type = request.headers.get("content-type")
    if content_type is None or content_type == "application/json":
        return
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body must be JSON, and say so: Content-Type: application/json",
        )


async def _gather(request: Request, most: int) -> bytes:
    message = await request.receive()
    body = _piece(message)
    if message.get("more_body"):
        return await _gather_more(request, bytearray(body), most)
    if len(body) > most:
        raise _too_large(most)
    return body  # uncopied, as nearly all come


async def _gather_more(request: Request, body: bytearray, most: int) -> bytes:
    more = True
    while more:
        message = await request.receive()
        body += _piece(message)
        if len(body) > most:
            raise _too_large(most)
        more = message.get("more_body", False)
    return bytes(body)


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _incomplete("the caller went away before the body was whole")
    piece: bytes = message.get("body", b"")
    return piece


def _too_large(most: int) -> Problem:
    return _closing(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"at most {most} bytes are read")


def _incomplete(detail: str) -> Problem:
    return _closing(HTTPStatus.REQUEST_TIMEOUT, "body_incomplete", detail)


def _closing(status: HTTPStatus, reason: str, detail: str) -> Problem:
    """What is still coming is not read: the connection ends with this answer."""
    return Problem(status, reason, detail, {"Connection": "close"})
