"""Which answers the pages of an application can give; and a route without FastAPI's reading of bodies."""

from collections.abc import Callable, Coroutine, Iterable, Iterator
from http import HTTPStatus
from typing import Final, NamedTuple

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from service.runtime.web.host_and_origin import CHANGES_NOTHING

_UNTOLD: Final = frozenset({421, 500, 503})  # another host is asked for, a defect, a service that is away
_OF_CHANGES: Final = frozenset({403})  # a page of another site may change nothing
_REFUSALS: Final = frozenset({400, 401, 403, 404})  # what `4XX` stands for, as far as an alert cares


class Answers(NamedTuple):
    """One method of one page, and every status that it can be answered with."""

    method: str
    page: str
    statuses: tuple[int, ...]


def answers_of(routes: Iterable[BaseRoute]) -> Iterator[Answers]:
    """What each page says of itself, and what none of them speaks of."""
    for route in routes:
        if isinstance(route, APIRoute):
            told = {str(code) for code in route.responses} | {str(int(route.status_code or HTTPStatus.OK))}
            statuses = {int(code) for code in told if code.isdigit()} | _UNTOLD
            statuses |= _REFUSALS if "4XX" in told else frozenset()
            for method in sorted(route.methods or ()):
                more = frozenset() if method in CHANGES_NOTHING else _OF_CHANGES
                yield Answers(method, route.path, tuple(sorted(statuses | more)))


class PlainRoute(APIRoute):
    """A route whose function takes the request and returns the answer: nothing is parsed or made for it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[object, object, Response]]:
        """The function itself."""
        answer: Callable[[Request], Coroutine[object, object, Response]] = self.endpoint
        return answer
