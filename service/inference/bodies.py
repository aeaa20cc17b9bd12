"""Reading a request's body, within bounds."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from pydantic_core import from_json

from service.inference.problems import Problem


async def read_body(request: Request, most: int) -> bytes:
    """Read the whole body. Raises Problem when it is larger than `most` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        raise _too_large(most)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def read_json(body: bytes) -> Any:
    """Read JSON. Raises Problem for anything else, NaN, half a surrogate pair and deep nesting included."""
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="keys")
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


def _too_large(most: int) -> Problem:
    # What is still coming is not read: the connection ends with this answer.
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body_too_large",
        f"at most {most} bytes are read",
        {"Connection": "close"},
    )
