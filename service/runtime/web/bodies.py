"""Reading a request's body, within bounds."""

import asyncio
from http import HTTPStatus
from typing import Final

from fastapi import Request
from starlette.types import Message

from domain.strict_json import NotStrictJson, parse_json
from domain.wording import byte_count
from service.runtime.web.problems import ProblemDetails

_SECONDS: Final = 30.0  # from its head to its last byte; uvicorn itself would wait for ever
_TIMES: Final = 4  # the largest body: so much may be held of all bodies that have not come whole


async def read_body(request: Request, most: int, seconds: float = _SECONDS) -> bytes:
    """Read the whole body. Raises Problem when it is larger than `most` bytes, or does not come in time."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    try:
        async with asyncio.timeout(seconds):
            return await _gather(request, most)
    except TimeoutError:
        raise _incomplete(f"the body was not complete within {seconds:g} s") from None


def read_json(body: bytes) -> object:
    """Read JSON. Raises Problem for what `parse_json` refuses."""
    try:
        return parse_json(body)
    except NotStrictJson as error:
        what = "the body is not JSON" if error.reason == "not_json" else "the body"
        raise ProblemDetails(HTTPStatus.BAD_REQUEST, error.reason, f"{what}: {error}") from None


def require_json(request: Request, *, said: bool = False) -> None:
    """Raise Problem for a body that says of itself that it is something else.

    `said`: it must say that it is JSON, which no page of another site can without being asked first.
    """
    content_type = request.headers.get("content-type")
    if content_type == "application/json" or (content_type is None and not said):
        return
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise ProblemDetails(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "the body must be JSON and declared as such: Content-Type: application/json",
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
    held, more = _Held(body), True
    try:
        while more:
            message = await request.receive()
            body += _piece(message)
            if len(body) > most:
                raise _too_large(most)
            held.grow(_TIMES * most)
            more = message.get("more_body", False)
        return bytes(body)
    finally:
        held.forget()


class _Held:
    """What is held of a body that has not come whole, and of all of them together."""

    of_all = 0

    def __init__(self, body: bytearray) -> None:
        self._body = body
        self._counted = 0

    def grow(self, most: int) -> None:
        """Count what came. Raises Problem when it is more than `most` of all bodies."""
        self._count(len(self._body))
        if _Held.of_all > most:
            raise _too_many(most)

    def forget(self) -> None:
        """It is whole, or nobody wants it any more."""
        self._count(0)

    def _count(self, now: int) -> None:
        _Held.of_all += now - self._counted
        self._counted = now


def _piece(message: Message) -> bytes:
    if message["type"] == "http.disconnect":
        raise _incomplete("the caller went away before the body was complete")
    piece: bytes = message.get("body", b"")
    return piece


def _too_large(most: int) -> ProblemDetails:
    return _closing(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"at most {byte_count(most)} are read"
    )


def _too_many(most: int) -> ProblemDetails:
    detail = (
        f"the bodies that come at this moment are more than {byte_count(most)} together; send it again later"
    )
    return _closing(HTTPStatus.SERVICE_UNAVAILABLE, "too_many_bodies", detail)


def _incomplete(detail: str) -> ProblemDetails:
    return _closing(HTTPStatus.REQUEST_TIMEOUT, "body_incomplete", detail)


def _closing(status: HTTPStatus, reason: str, detail: str) -> ProblemDetails:
    """What is still coming is not read: the connection ends with this answer."""
    return ProblemDetails(status, reason, detail, {"Connection": "close"})
