"""The web application: its pages, in the order of a request's way in."""

from concurrent.futures import Executor
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from service.inference.auth import Gatekeeper
from service.inference.desk import Limits
from service.inference.door import Door
from service.inference.metrics import InferenceMetrics
from service.inference.routes_docs import docs_routes
from service.inference.routes_predict import Desks, PredictPage, predict_routes
from service.inference.routes_reload import Reloads, reload_routes
from service.inference.routes_state import state_routes
from service.inference.served_model import Serving
from service.web.problems import Problem, answer_defect, answer_http_error, answer_problem


@dataclass(frozen=True)
class Parts:
    """What the application is made of. `threads` are for requests of many rows."""

    model_name: str
    serving: Serving
    reloads: Reloads
    metrics: InferenceMetrics
    threads: Executor
    limits: Limits
    token: str | None = None


def build_app(parts: Parts) -> Door:
    """Make the application; it has no state of its own."""
    gatekeeper = Gatekeeper(parts.token)
    desks = Desks(parts.serving, parts.limits, parts.metrics)
    page = PredictPage(desks, parts.limits, parts.threads)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.add_exception_handler(Problem, answer_problem)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(Exception, answer_defect)
    app.include_router(predict_routes(page))
    app.include_router(reload_routes(parts.reloads, gatekeeper))
    app.include_router(
        state_routes(parts.model_name, parts.serving, parts.reloads, desks, parts.limits, parts.metrics)
    )
    app.include_router(docs_routes(app.routes, parts.serving, desks, parts.limits, gatekeeper))
    return Door(app, page, gatekeeper, parts.metrics)
