"""The web application: its pages, in the order of a request's way in."""

from concurrent.futures import Executor
from dataclasses import dataclass, field

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException

from service.runtime.web.answers import answers_of
from service.runtime.web.health import PROBES, Drain, Health
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.problems import ProblemDetails, answer_defect, answer_http_error, answer_problem
from service.serving.middleware import Gatekeeper, ServingMiddleware
from service.serving.predictor import Limits
from service.serving.routes_docs import docs_routes
from service.serving.routes_predict import Predictors, PredictPage, predict_routes
from service.serving.routes_reload import Reloads, reload_routes
from service.serving.routes_state import HasModel, state_routes
from service.serving.served_model import Serving
from service.serving.serving_metrics import InferenceMetrics

log = structlog.get_logger("laurel.inference")


@dataclass(frozen=True)
class ServingParts:
    """What the application is made of. `threads` are for requests of many rows."""

    model_name: str
    serving: Serving
    reloads: Reloads
    metrics: InferenceMetrics
    threads: Executor
    limits: Limits
    token: str | None = None
    entrance: Entrance = field(default_factory=lambda: Entrance(log, probes=PROBES))
    drain: Drain = field(default_factory=Drain)


def build_app(parts: ServingParts) -> ServingMiddleware:
    """Make the application; it has no state of its own."""
    gatekeeper = Gatekeeper(parts.token)
    predictors = Predictors(parts.serving, parts.limits, parts.metrics)
    page = PredictPage(predictors, parts.limits, parts.threads, parts.entrance)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(ProblemDetails, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_defect)
    health = Health(HasModel(parts.serving, parts.reloads), parts.metrics.render, drain=parts.drain)
    routers = (
        predict_routes(page),
        reload_routes(parts.reloads, gatekeeper, parts.entrance),
        state_routes(parts.model_name, parts.serving, parts.reloads, predictors, parts.limits, health),
        docs_routes(app.routes, parts.serving, predictors, parts.limits, gatekeeper),
    )
    for router in routers:
        app.router.routes.extend(router.routes)  # `include_router` would make each of them once more
        for answers in answers_of(router.routes):
            parts.metrics.expect(*answers)
    return ServingMiddleware(app, page, gatekeeper, parts.metrics, parts.entrance)
