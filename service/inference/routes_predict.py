"""POST /predict: the one page that has to be fast."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from service.inference.bodies import read_body, require_json
from service.inference.desk import Desk, Limits
from service.inference.metrics import InferenceMetrics
from service.inference.page_descriptions import PREDICT
from service.inference.problems import Problem
from service.inference.served_model import Serving

# A larger body holds many rows: reading and predicting them would keep others waiting.
_LARGE_BODY: Final = 32 * 1024


class PlainRoute(APIRoute):
    """A route whose function takes the request and returns the answer: nothing is parsed or made for it."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """The function itself."""
        return self.endpoint


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
            raise no_model()
        if desk is None or desk.model is not model:
            desk = self._desk = Desk(model, self._limits, self._metrics)
        return desk


def no_model() -> Problem:
    """There is nothing to answer with."""
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no_model",
        "no model is loaded yet; /health says why",
        {"Retry-After": "1"},
    )


def predict_routes(desks: Desks, limits: Limits, threads: Executor) -> APIRouter:
    """Make the page."""
    router = APIRouter(route_class=PlainRoute)

    @router.post("/predict", **PREDICT)
    async def predict(request: Request) -> Response:
        """One object in, one prediction out; a list in, a list out, in its order.

        A field that is missing is null. The header `Laurel-Generation` names the promotion that is served.
        """
        require_json(request)
        body = await read_body(request, limits.max_body_bytes)
        desk = desks.now()
        if len(body) <= _LARGE_BODY:
            answer = desk.answer(body)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(threads, desk.answer, body)
        return Response(answer, headers=desk.headers)

    return router
