"""Parameters of a query."""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Annotated, ClassVar, Final

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator, WithJsonSchema

from domain.faults import Fault
from domain.wording import suggestion
from service.gateway.refusals import unusable
from service.runtime.web.problems import ProblemDetails

_NUMBER: Final = re.compile(r"[\d.+-]+")


def _no_number(value: object) -> object:
    """A library would take seconds since 1970 as well, which the document does not promise."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
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
