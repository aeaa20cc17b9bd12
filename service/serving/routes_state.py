"""What a server says of itself: health, the served model, the schema of a request, metrics."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from service.runtime.web.answers import PlainRoute
from service.runtime.web.health import Health, Liveness, Readying, as_json, json_bytes
from service.runtime.web.openapi_document import refused
from service.serving.page_models import Info, NoModelInfo, ServingHealth, Unloadable, request_schema
from service.serving.predictor import Limits
from service.serving.routes_predict import NO_MODEL, UNAUTHORIZED, Predictors
from service.serving.served_model import ServedModel, Serving
from service.serving.unloadable import UNLOADABLE, Mark


class Trouble(Protocol):
    """Why there is no model, or only an old one; None when nothing is wrong."""

    @property
    def problem(self) -> str | None:
        """A sentence for a person."""


class HasModel:
    """Readiness of a server that needs nothing but a model."""

    def __init__(self, serving: Serving, trouble: Trouble) -> None:
        self._serving = serving
        self._trouble = trouble

    async def missing(self) -> dict[str, str]:
        """Why there is no model; nothing else is missing."""
        if self._serving.model is not None:
            return {}
        return {"model": self._trouble.problem or "no champion is loaded yet"}


class JsonSchemaResponse(JSONResponse):
    """A JSON Schema, for the OpenAPI document."""

    media_type = "application/schema+json"


def state_routes(
    model_name: str,
    serving: Serving,
    trouble: Trouble,
    predictors: Predictors,
    limits: Limits,
    health: Health,
) -> APIRouter:
    """Make the pages."""
    router = APIRouter(route_class=PlainRoute)
    _add_health(router, serving, health)

    @router.get(
        "/info",
        summary="Which model is served, and since when",
        response_model=Info,
        response_description="The served model.",
        responses={401: refused(UNAUTHORIZED), 503: {"model": NoModelInfo, "description": "None is served."}},
    )
    async def info(_: Request) -> Response:
        """The model's name, its version and where it came from."""
        return as_json(_info(model_name, serving, trouble), unless=serving.model is None)

    @router.get(
        "/schema",
        summary="The JSON Schema of one row of a request",
        response_class=JsonSchemaResponse,
        response_model=dict[str, object],
        response_description="It belongs to the served model.",
        responses={401: refused(UNAUTHORIZED), 503: refused(NO_MODEL)},
    )
    async def schema(_: Request) -> Response:
        """It belongs to the model: a promotion may change it."""
        predictor = predictors.now()
        found = request_schema(predictor.model, predictor.fields, refuse_unknown=limits.refuses_unknown)
        return Response(json_bytes(found), media_type=JsonSchemaResponse.media_type)

    return router


def _add_health(router: APIRouter, serving: Serving, health: Health) -> None:
    @router.get("/health/live", summary="Is the process alive?", response_model=Liveness)
    async def live(request: Request) -> Response:
        """Always, while it can answer."""
        return await health.live(request)

    @router.get(
        "/health/ready",
        summary="Can it predict?",
        response_model=Readying,
        responses={503: {"model": Readying, "description": "Not yet; `missing` says why."}},
    )
    async def ready(request: Request) -> Response:
        """Not before a champion is loaded, and not while it is being ended."""
        return await health.ready(request)

    @router.get(
        "/health",
        summary="The same, with a word on the model",
        response_model=ServingHealth,
        responses={503: {"model": ServingHealth, "description": "No model is loaded, or it is being ended."}},
    )
    async def whole(_: Request) -> Response:
        """`ok`, or `unavailable` without a model, and while it is being ended."""
        missing = await health.missing()
        return as_json(_health(missing, serving.model), unless=bool(missing))

    @router.get("/metrics", summary="Metrics for Prometheus", response_class=PlainTextResponse)
    async def figures(request: Request) -> Response:
        """In the text format."""
        return await health.figures(request)


def _health(missing: Mapping[str, str], model: ServedModel | None) -> ServingHealth:
    loaded, version = model is not None, None if model is None else str(model.version)
    if not missing:
        return ServingHealth(status="ok", model_loaded=loaded, model_version=version)
    detail = "; ".join(missing.values())
    return ServingHealth(status="unavailable", detail=detail, model_loaded=loaded, model_version=version)


def _info(model_name: str, serving: Serving, trouble: Trouble) -> NoModelInfo:
    model, unloadable = serving.model, tuple(map(_unloadable, serving.unloadable))
    if model is None:
        return NoModelInfo(
            model_name=model_name, stale=serving.stale, problem=trouble.problem, unloadable=unloadable
        )
    return Info(
        model_name=model.model_name,
        stale=serving.stale,
        problem=trouble.problem,
        unloadable=unloadable,
        model_version=str(model.version),
        served_version=model.version,
        run_id=model.run_id,
        mlflow_run_id=model.run_id,
        generation=model.generation,
        served_generation=model.generation,
        feature_version=model.feature_version,
        data_contract_version=model.contract.version,
        target=model.contract.target,
        digest=model.digest,
        files=dict(model.manifest),
        loaded_at=model.loaded_at,
    )


def _unloadable(mark: Mark) -> Unloadable:
    return Unloadable(
        model_version=str(mark.version),
        generation=mark.generation,
        digest=mark.digest,
        reason=UNLOADABLE,
        detail=mark.why,
        at=mark.at,
    )
