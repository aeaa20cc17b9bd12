"""POST /predict: the one page that has to be fast."""

import asyncio
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from service.inference.desk import Desk, Limits
from service.inference.metrics import InferenceMetrics
from service.inference.page_descriptions import PREDICT
from service.inference.served_model import Serving
from service.web.bodies import read_body, require_json
from service.web.plain_route import PlainRoute
from service.web.problems import Problem, answer_defect

log = structlog.get_logger("laurel.inference")

# A larger body holds many rows: reading and predicting them would keep others waiting.
_LARGE_BODY: Final = 32 * 1024


class Desks:
    """The desk of the model that is served now."""

    def __init__(self, serving: Serving, limits: Limits, metrics: InferenceMetrics) -> None:
        self._serving = serving
        self._limits = limits
        self._metrics = metrics
        self._desk: Desk | None = None

    def now(self) -> Desk:
        """Take it once and keep to it until the answer is out. Raises Problem while there is no model."""
        model, desk = self._serving.model, self._desk
        if model is None:
            raise _no_model()
        if desk is None or desk.model is not model:
            desk = self._desk = Desk(model, self._limits, self._metrics)
        return desk


class PredictPage:
    """Answers predictions; an ASGI application of its own, since finding a route takes longer than it."""

    def __init__(self, desks: Desks, limits: Limits, threads: Executor) -> None:
        self._desks = desks
        self._limits = limits
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self.answer(request)
        except Problem as problem:
            response = problem.response()
        except Exception as error:
            log.exception("prediction_failed")
            response = await answer_defect(request, error)
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Predict what the body asks for. Raises Problem."""
        require_json(request)
        body = await read_body(request, self._limits.max_body_bytes)
        desk = self._desks.now()
        if len(body) <= _LARGE_BODY:
            answer = desk.answer(body)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, desk.answer, body)
        return Response(answer, headers=desk.headers)


def predict_routes(page: PredictPage) -> APIRouter:
    """Describe the page."""
    router = APIRouter(route_class=PlainRoute)

    @router.post("/predict", **PREDICT)
    async def predict(request: Request) -> Response:
        """One object in, one prediction out; a list in, a list out, in its order.

        A field that is missing is null. The header `Laurel-Generation` names the promotion that is served.
        """
        return await page.answer(request)

    return router


def _no_model() -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no_model",
        "no model is loaded yet; /health says why",
        {"Retry-After": "1"},
    )
