"""POST /predict: the one page that has to be fast."""

import asyncio
from concurrent.futures import Executor
from http import HTTPStatus
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from domain.errors import ModelUnusable
from service.runtime.web.answers import PlainRoute
from service.runtime.web.bodies import read_body, require_json
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.openapi_document import refused
from service.runtime.web.problems import ProblemDetails, answer_defect
from service.serving.page_models import InputProblem, Prediction
from service.serving.predictor import Limits, Predictor
from service.serving.served_model import Serving
from service.serving.serving_metrics import InferenceMetrics

log = structlog.get_logger("laurel.inference")

UNAUTHORIZED: Final = "The bearer token is missing or another one."
NO_MODEL: Final = "No model is loaded yet."
_GENERATION: Final = {
    "Laurel-Generation": {
        "description": "The promotion ledger's generation of the model that answered; absent if it has none.",
        "schema": {"type": "integer", "minimum": 1},
    }
}
_ROW: Final = {"$ref": "#/components/schemas/Row"}
_ROWS: Final = {"schema": {"anyOf": [_ROW, {"type": "array", "items": _ROW}]}}
# A larger body holds many rows: reading and predicting them would keep others waiting.
_LARGE_BODY: Final = 32 * 1024


class Predictors:
    """The desk of the model that is served now."""

    def __init__(self, serving: Serving, limits: Limits, metrics: InferenceMetrics) -> None:
        self._serving = serving
        self._limits = limits
        self._metrics = metrics
        self._predictor: Predictor | None = None

    def now(self) -> Predictor:
        """Take it once and keep to it until the answer is out. Raises Problem while there is no model."""
        model, predictor = self._serving.model, self._predictor
        if model is None:
            raise _no_model()
        if predictor is None or predictor.model is not model:
            predictor = self._predictor = Predictor(model, self._limits, self._metrics)
        return predictor


class PredictPage:
    """Answers predictions; an ASGI application of its own, since finding a route takes longer than it."""

    def __init__(self, predictors: Predictors, limits: Limits, threads: Executor, entrance: Entrance) -> None:
        self._predictors = predictors
        self._limits = limits
        self._threads = threads
        self._entrance = entrance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self.answer(request)
        except ProblemDetails as problem:
            self._tell(scope, problem.__cause__)
            response = problem.response()
        except Exception as error:
            log.exception("prediction_failed")
            response = await answer_defect(request, error)
        await response(scope, receive, send)

    def _tell(self, scope: Scope, cause: BaseException | None) -> None:
        """Write down that the model failed on rows which the rules allow."""
        if isinstance(cause, ModelUnusable):
            self._entrance.tell(scope, "rows_not_taken", cause.reason, message=cause.message)

    async def answer(self, request: Request) -> Response:
        """Predict what the body asks for. Raises Problem."""
        require_json(request)
        body = await read_body(request, self._limits.max_body_bytes)
        predictor = self._predictors.now()
        if len(body) <= _LARGE_BODY and not predictor.is_slow:
            answer = predictor.answer(body)
        else:
            answer = await asyncio.get_running_loop().run_in_executor(self._threads, predictor.answer, body)
        return Response(answer, headers=predictor.headers)


def predict_routes(page: PredictPage) -> APIRouter:
    """Describe the page."""
    router = APIRouter(route_class=PlainRoute)

    @router.post(
        "/predict",
        summary="Predict the target of one row, or of a list of rows",
        response_model=Prediction | list[Prediction],
        response_description="One prediction, or a list in the rows' order.",
        responses={
            200: {"headers": _GENERATION},
            400: refused("The body is no JSON, or a name occurs twice in one object."),
            401: refused(UNAUTHORIZED),
            403: refused("A page of another site made a browser send it."),
            408: refused("The body did not come whole in time."),
            413: refused("The body is too large."),
            415: refused("The body does not say that it is JSON."),
            422: refused("Fields that cannot be taken: which, what came, what is allowed.", InputProblem),
            503: refused(NO_MODEL),
        },
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": _ROWS}}},
    )
    async def predict(request: Request) -> Response:
        """One object in, one prediction out; a list in, a list out, in its order.

        A field that is missing is null. The header `Laurel-Generation` names the promotion that is served.
        """
        return await page.answer(request)

    return router


def _no_model() -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "no_model",
        "no model is loaded yet; /health says why",
        {"Retry-After": "1"},
    )
