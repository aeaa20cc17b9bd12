"""Errors of the inner rooms, and of a query's parameters, as answers over HTTP."""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, ClassVar, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator, WithJsonSchema
from pydantic_core import ErrorDetails

from domain.decisions import CannotDecide
from domain.errors import LaurelError, NeverRetry, Stop, TryLater
from domain.faults import Fault
from domain.hold import CannotHold
from domain.quarantine import CannotLift
from domain.run_actions import CannotCancel, CannotRetry
from domain.wording import counted, suggestion
from service.gateway.submissions import IdConflict, Unanswered, Unusable
from service.runtime.web.problems import ProblemDetails

_RETRY_SECONDS: Final = "2"
_MOST_FAULTS: Final = 100


@contextmanager
def as_problem() -> Iterator[None]:
    """Turn what a call raises into the answer that it asks for."""
    try:
        yield
    except Unusable as error:
        raise unusable(error.faults) from error
    except IdConflict as error:
        raise ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, error.reason, error.message) from error
    except Unanswered as error:
        hint = f"repeat it with Idempotency-Key: {error.request_id}"
        raise unanswered(error, hint) from error
    except (TryLater, Stop) as error:
        raise _later(error) from error
    except (CannotCancel, CannotHold, CannotLift, CannotRetry, CannotDecide) as error:
        raise ProblemDetails(HTTPStatus.CONFLICT, error.reason, error.message) from error
    except NeverRetry as error:
        raise ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, error.reason, error.message) from error


def unusable(faults: Sequence[Fault]) -> ProblemDetails:
    """Say all that is wrong with a request, and what is allowed."""
    detail = in_one(fault.message for fault in faults)
    return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, faults[0].code, detail, errors=as_errors(faults))


def as_errors(faults: Sequence[Fault]) -> list[dict[str, object]]:
    """The first faults, for machines: a body of any kind may have as many as it has bytes."""
    return [fault.model_dump(exclude_none=True) for fault in faults[:_MOST_FAULTS]]


def in_one(sentences: Iterable[str]) -> str:
    """The first sentences in one, and how many more there are."""
    said = [*sentences]
    rest = len(said) - _MOST_FAULTS
    more = [f"and {counted(rest, 'more fault', 'more faults')}"] if rest > 0 else []
    return "; ".join([*said[:_MOST_FAULTS], *more])


def not_found(what: str) -> ProblemDetails:
    """Say that there is no such thing."""
    return ProblemDetails(HTTPStatus.NOT_FOUND, "not_found", f"there is no {what}")


def unanswered(error: Unanswered, hint: str) -> ProblemDetails:
    """Nothing is lost: `hint` says how this caller repeats the request."""
    return _later(error, f"; {hint}", request_id=error.request_id)


def _later(error: LaurelError, hint: str = "", **more: str) -> ProblemDetails:
    return ProblemDetails(
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


def sentence_of(found: ErrorDetails) -> str:
    """What pydantic found, with its place."""
    place = ".".join(str(part) for part in found["loc"] if part not in {"query", "path", "header"})
    text = found["msg"].removeprefix("Value error, ")
    return f"{place}: {text}" if place else text


DATE_AND_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")  # how each of them begins


def _no_number(value: object) -> object:
    """A library would take seconds since 1970 as well (2e9, too), which the document does not promise."""
    if isinstance(value, str) and not DATE_AND_TIME.match(value):
        raise ValueError("must be a date and time as in RFC 3339: 2026-01-31T06:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]


def _true_or_false(value: object) -> object:
    """A library would take "on" and "1" as well, which the document does not promise."""
    if isinstance(value, str) and value.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return value


Flag = Annotated[bool, BeforeValidator(_true_or_false)]
Handler = Callable[[Request], Coroutine[object, object, Response]]
# Without a type in the document: on the wire everything is a list of texts, so nothing is none.
Texts = Annotated[list[str] | None, WithJsonSchema({})]


class DescribedRoute(APIRoute):
    """Refuses a parameter that the document does not name: a slip in a name would choose other things."""

    ignored: ClassVar[frozenset[str]] = frozenset()

    def get_route_handler(self) -> Handler:
        """Wrap FastAPI's own."""
        handle = super().get_route_handler()
        known = set(_names(self.dependant))

        async def handled(request: Request) -> Response:
            unknown = request.query_params.keys() - known - self.ignored
            if unknown:
                raise self.refusal(_unknown(unknown, known))
            return await handle(request)

        return handled

    def refusal(self, faults: Sequence[Fault]) -> ProblemDetails:
        """Refuse in the form of this API."""
        return unusable(faults)


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for within in dependant.dependencies:
        yield from _names(within)


def _unknown(unknown: Iterable[str], known: Iterable[str]) -> list[Fault]:
    names = sorted(known)
    return [
        Fault(
            code="unknown_parameter",
            field=name,
            message=f"no such parameter: {name!r}{suggestion(name, names)}",
            allowed=", ".join(names) or "none",
        )
        for name in sorted(unknown)
    ]
