"""Errors of the inner rooms as answers over HTTP."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError

from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from domain.faults import Fault
from service.api.asking import IdConflict, Unanswered, Unusable
from service.web.problems import Problem

_RETRY_SECONDS: Final = "2"


@contextmanager
def as_problem() -> Iterator[None]:
    """Turn what a call raises into the answer that it asks for."""
    try:
        yield
    except Unusable as error:
        raise unusable(error.faults) from error
    except IdConflict as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.reason, error.message) from error
    except Unanswered as error:
        hint = f"repeat it with Idempotency-Key: {error.request_id}"
        raise unanswered(error, hint) from error
    except (TryLater, Stop) as error:
        raise _later(error) from error
    except NeverRetry as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.reason, error.message) from error


def unusable(faults: Sequence[Fault]) -> Problem:
    """Say all that is wrong with a request, and what is allowed."""
    detail = "; ".join(fault.message for fault in faults)
    errors = [fault.model_dump(exclude_none=True) for fault in faults]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, faults[0].code, detail, errors=errors)


def not_found(what: str) -> Problem:
    """Say that there is no such thing."""
    return Problem(HTTPStatus.NOT_FOUND, "not_found", f"there is no {what}")


def unanswered(error: Unanswered, hint: str) -> Problem:
    """Nothing is lost: `hint` says how this caller repeats the request."""
    return _later(error, f"; {hint}", request_id=error.request_id)


def _later(error: LaurelError, hint: str = "", **more: str) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        error.reason,
        f"{error.message}{hint}",
        {"Retry-After": _RETRY_SECONDS},
        **more,
    )


async def answer_invalid(_: Request, error: Exception) -> Response:
    """Answer a parameter of the path, the query or a header that is not as the document says."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    faults = [
        Fault(code="bad_parameter", field=".".join(map(str, found["loc"])), message=sentence_of(found))
        for found in error.errors()
    ]
    return unusable(faults).response()


def sentence_of(found: Mapping[str, Any]) -> str:
    """What pydantic found, with its place."""
    place = ".".join(str(part) for part in found["loc"] if part not in {"query", "path", "header"})
    text = str(found["msg"]).removeprefix("Value error, ")
    return f"{place}: {text}" if place else text
