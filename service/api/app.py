"""The web application of the HTTP door: its pages, and what every request passes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from service.api.callers import Callers
from service.api.documents import document_routes
from service.api.door import Door
from service.api.health import health_routes
from service.api.metrics import ApiMetrics
from service.api.rates import Rate
from service.api.refusals import answer_invalid
from service.health import Readiness
from service.web.problems import Problem, answer_defect, answer_http_error, answer_problem


@dataclass(frozen=True)
class Parts:
    """What the application is made of: the routes of both doors, and who may use them."""

    requests: APIRouter
    dags: APIRouter
    callers: Callers
    calls: Rate
    metrics: ApiMetrics
    readiness: Readiness
    cors_origins: Sequence[str]


def build_app(parts: Parts) -> ASGIApp:
    """Make the application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(Exception, answer_defect)
    health = health_routes(parts.readiness, parts.metrics)
    documents = document_routes([*parts.requests.routes, *health.routes], parts.dags.routes)
    routers = (parts.requests, parts.dags, health, documents)
    for router in routers:
        app.include_router(router)
    routes = [route for router in routers for route in router.routes]
    app.add_exception_handler(HTTPException, partial(_answer_http_error, routes))
    door = Door(app, parts.callers, parts.calls, parts.metrics)
    if not parts.cors_origins:
        return door
    return CORSMiddleware(
        door,
        allow_origins=parts.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
        expose_headers=("Location", "Retry-After"),
    )


async def _answer_http_error(routes: Sequence[BaseRoute], request: Request, error: Exception) -> Response:
    """Answer what the router refused; it knows the methods of one route, and a page may have several."""
    answer = await answer_http_error(request, error)
    if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(sorted(_methods(routes, request)))
    return answer


def _methods(routes: Sequence[BaseRoute], request: Request) -> set[str]:
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in here if isinstance(route, Route) for method in route.methods or ()}
