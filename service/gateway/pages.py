"""Which pages there are, and what is said of those that there are not."""

import re
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from service.runtime.web.problems import ProblemDetails, answer_http_error, no_such_page

_LISTED: Final = "; /openapi.json lists all pages"
_ANOTHER_VERSION: Final = re.compile(r"/api/v(?!1(/|$))[^/]*(/|$)")
_SUPPORTED: Final = (
    "; of an orchestrator's REST API, version 1 is supported: its pages are below /api/v1, and "
    "/api/v1/openapi.json lists them"
)


class Pages:
    """Knows every route."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    def absent(self, scope: Scope) -> ProblemDetails | None:
        """Say that there is no such page; None when there is one, whatever its methods."""
        if any(self._here(scope)):
            return None
        return no_such_page(_SUPPORTED if _ANOTHER_VERSION.match(scope["path"]) else _LISTED)

    def page_of(self, scope: Scope) -> str | None:
        """The page that is asked for, without ids, also of a call that was refused before it got there."""
        route = scope.get("route") or next(self._here(scope), None)
        return None if route is None else str(route.path)

    async def answer_http_error(self, request: Request, error: Exception) -> Response:
        """Answer what the router refused; it knows the methods of one route, and a page may have several."""
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
        absent = self.absent(request.scope) if error.status_code == HTTPStatus.NOT_FOUND else None
        if absent is not None:
            return absent.response()
        answer = await answer_http_error(request, error)
        if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(sorted(self._methods(request.scope)))
        return answer

    def _methods(self, scope: Scope) -> set[str]:
        methods = {method for route in self._here(scope) for method in route.methods or ()}
        return methods | ({"HEAD"} if "GET" in methods else set())

    def _here(self, scope: Scope) -> Iterator[Route]:
        for route in self._routes:
            if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE:
                yield route
