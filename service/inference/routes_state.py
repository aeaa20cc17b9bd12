"""What a server says of itself: health, the served model, the schema of a request, metrics."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from service.inference.desk import Limits, as_json
from service.inference.metrics import InferenceMetrics
from service.inference.page_descriptions import HEALTH, INFO, LIVE, METRICS, READY, SCHEMA
from service.inference.request_schema import request_schema
from service.inference.routes_predict import Desks
from service.inference.served_model import ServedModel, Serving
from service.web.plain_route import PlainRoute

_JSON: Final = "application/json"
_AWAY: Final = HTTPStatus.SERVICE_UNAVAILABLE


class Trouble(Protocol):
    """Why there is no model, or only an old one; None when nothing is wrong."""

    @property
    def problem(self) -> str | None:
        """A sentence for a person."""


def state_routes(
    model_name: str,
    serving: Serving,
    trouble: Trouble,
    desks: Desks,
    limits: Limits,
    metrics: InferenceMetrics,
) -> APIRouter:
    """Make the pages."""
    router = APIRouter(route_class=PlainRoute)

    @router.get("/health/live", **LIVE)
    async def live(_: Request) -> Response:
        """Always, while it can answer."""
        return _answer({"live": True})

    @router.get("/health/ready", **READY)
    async def ready(_: Request) -> Response:
        """Not before a champion is loaded."""
        missing = {} if serving.model else {"model": trouble.problem or "no champion is loaded yet"}
        return _answer({"ready": not missing, "missing": missing}, unless=bool(missing))

    @router.get("/health", **HEALTH)
    async def health(_: Request) -> Response:
        """`ok`, or `unavailable` without a model."""
        return _answer(_health(serving, trouble), unless=serving.model is None)

    @router.get("/info", **INFO)
    async def info(_: Request) -> Response:
        """The model's name, its version and where it came from."""
        model = serving.model
        shown = {"model_name": model_name} if model is None else _info(model)
        return _answer({**shown, "stale": serving.stale, "problem": trouble.problem}, unless=model is None)

    @router.get("/schema", **SCHEMA)
    async def schema(_: Request) -> Response:
        """It belongs to the model: a promotion may change it."""
        desk = desks.now()
        found = request_schema(desk.model, desk.fields, refuse_unknown=limits.refuses_unknown)
        return Response(as_json(found), media_type="application/schema+json")

    @router.get("/metrics", **METRICS)
    async def figures(_: Request) -> Response:
        """In the text format."""
        return Response(metrics.render(), media_type=CONTENT_TYPE_LATEST)

    return router


def _health(serving: Serving, trouble: Trouble) -> dict[str, Any]:
    model = serving.model
    if model is None:
        detail = trouble.problem or "no champion is loaded yet"
        return {"status": "unavailable", "model_loaded": False, "model_version": None, "detail": detail}
    return {"status": "ok", "model_loaded": True, "model_version": str(model.version)}


def _info(model: ServedModel) -> dict[str, Any]:
    return {
        "model_name": model.model_name,
        "model_version": str(model.version),
        "run_id": model.run_id,
        "generation": model.generation,
        "feature_version": model.feature_version,
        "data_contract_version": model.contract.version,
        "target": model.contract.target,
        "digest": model.digest,
        "files": dict(model.manifest),
        "loaded_at": model.loaded_at.isoformat(),
    }


def _answer(content: Mapping[str, Any], *, unless: bool = False) -> Response:
    return Response(as_json(content), _AWAY if unless else HTTPStatus.OK, media_type=_JSON)
