"""The web application of the HTTP API: its pages, its health, and what every request passes first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from service.gateway.callers import Callers
from service.gateway.gateway_metrics import ApiMetrics
from service.gateway.middleware import DAG_PREFIX, GatewayMiddleware
from service.gateway.openapi import document_routes
from service.gateway.pages import Pages
from service.gateway.rates import Rate
from service.gateway.refusals import answer_invalid
from service.runtime.health import Readiness
from service.runtime.web.answers import answers_of
from service.runtime.web.health import Drain, Health, Liveness, Readying
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.problems import ProblemDetails, answer_defect, answer_problem


class PartHealth(BaseModel):
    """How one part is."""

    status: Literal["healthy", "unhealthy"] = Field(description="Whether it answers.")


class PartsHealth(BaseModel):
    """How the parts are, by an orchestrator's names."""

    metadatabase: PartHealth = Field(description="PostgreSQL.")
    scheduler: PartHealth = Field(description="Kafka.")


def health_routes(pages: Health) -> APIRouter:
    """Make the pages; none asks for a credential."""
    router = APIRouter(tags=["health"])

    @router.get(f"{DAG_PREFIX}health", include_in_schema=False)  # where its own client asks for it
    @router.get("/health", summary="As an orchestrator tells its health: always 200")
    async def health() -> PartsHealth:
        missing = await pages.missing()
        return PartsHealth(
            metadatabase=PartHealth(status="unhealthy" if "postgres" in missing else "healthy"),
            scheduler=PartHealth(status="unhealthy" if "kafka" in missing else "healthy"),
        )

    @router.get("/health/live", summary="Is the process alive?", response_model=Liveness)
    async def live(request: Request) -> Response:
        return await pages.live(request)

    @router.get(
        "/health/ready",
        summary="Can it take requests in?",
        response_model=Readying,
        responses={503: {"model": Readying, "description": "Not now; `missing` says why."}},
    )
    async def ready(request: Request) -> Response:
        return await pages.ready(request)

    @router.get("/metrics", include_in_schema=False)
    async def told(request: Request) -> Response:
        return await pages.figures(request)

    return router


@dataclass(frozen=True)
class GatewayParts:
    """What the application is made of: the routes of both APIs, and who may use them."""

    requests: APIRouter
    history: APIRouter
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
    documents = document_routes(
        [*parts.requests.routes, *parts.history.routes, *health.routes], parts.dags.routes
    )
    routers = (parts.requests, parts.history, parts.dags, health, documents)
    routes = [route for router in routers for route in router.routes]
    app.router.routes.extend(routes)  # `include_router` would make each of them once more
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
