"""The web application of the HTTP door: its pages, and what every request passes first."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.gateway.callers import Callers
from service.gateway.gateway_metrics import ApiMetrics
from service.gateway.health import health_routes
from service.gateway.middleware import GatewayMiddleware
from service.gateway.openapi_documents import document_routes
from service.gateway.pages import Pages
from service.gateway.rates import Rate
from service.gateway.refusals import answer_invalid
from service.runtime.health import Readiness
from service.runtime.web.answers import answers_of
from service.runtime.web.drain import Drain
from service.runtime.web.health import Health
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.problems import ProblemDetails, answer_defect, answer_problem


@dataclass(frozen=True)
class GatewayParts:
    """What the application is made of: the routes of both APIs, and who may use them."""

    requests: APIRouter
    dags: APIRouter
    callers: Callers
    calls: Rate
    metrics: ApiMetrics
    readiness: Readiness
    entrance: Entrance
    drain: Drain
    cors_origins: Sequence[str]


def build_app(parts: GatewayParts) -> ASGIApp:
    """Make the application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(ProblemDetails, answer_problem)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(Exception, answer_defect)
    health = health_routes(Health(parts.readiness, parts.metrics.render, drain=parts.drain))
    documents = document_routes([*parts.requests.routes, *health.routes], parts.dags.routes)
    routers = (parts.requests, parts.dags, health, documents)
    for router in routers:
        app.include_router(router)
    routes = [route for router in routers for route in router.routes]
    for answers in answers_of(routes):
        parts.metrics.expect(*answers)
    pages = Pages(routes)
    app.add_exception_handler(HTTPException, pages.answer_http_error)
    gateway = GatewayMiddleware(app, pages, parts.callers, parts.calls, parts.metrics, parts.entrance)
    if not parts.cors_origins:
        return gateway
    return CORSMiddleware(
        gateway,
        allow_origins=parts.cors_origins,
        allow_methods=("GET", "POST"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"),
        expose_headers=("Location", "Retry-After"),
    )
