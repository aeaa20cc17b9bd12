"""Parameters of a query."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import AwareDatetime, BeforeValidator

from domain.faults import Fault
from service.api.refusals import unusable

_NUMBER: Final = re.compile(r"[\d.+-]+")


def _no_number(value: Any) -> Any:
    """A library would take seconds since 1970 as well, which the document does not promise."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("must be a date and time as in RFC 3339: 2026-01-31T06:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]


def unknown_parameters(request: Request, known: set[str]) -> list[Fault]:
    """Name what a query has that the page does not know: a slip in a name would choose other things."""
    allowed = ", ".join(sorted(known)) or "none"
    return [
        Fault(code="unknown_parameter", field=name, message=f"no such parameter: {name!r}", allowed=allowed)
        for name in sorted(request.query_params.keys() - known)
    ]


class DescribedRoute(APIRoute):
    """Answers 422 for a parameter that the document does not name."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Wrap FastAPI's own."""
        handle = super().get_route_handler()
        known = {field.alias for field in self.dependant.query_params}

        async def handled(request: Request) -> Any:
            if faults := unknown_parameters(request, known):
                raise unusable(faults)
            return await handle(request)

        return handled
