"""Is it alive, and can it take requests in? And the same as an orchestrator says it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Response

from service.api.door import DAG_PREFIX
from service.api.metrics import CONTENT_TYPE, ApiMetrics
from service.health import Readiness


def health_routes(readiness: Readiness, metrics: ApiMetrics) -> APIRouter:
    """Make the pages; none asks for a credential."""
    router = APIRouter(tags=["health"])

    @router.get(f"{DAG_PREFIX}health", include_in_schema=False)  # where its own client asks for it
    @router.get("/health", summary="As an orchestrator tells its health: always 200")
    async def health() -> Mapping[str, Any]:
        missing = await readiness.missing()
        said = {"metadatabase": "postgres", "scheduler": "kafka"}
        return {
            part: {"status": "unhealthy" if service in missing else "healthy"}
            for part, service in said.items()
        }

    @router.get("/health/live", summary="Is the process alive?")
    async def live() -> Mapping[str, bool]:
        return {"live": True}

    not_ready: dict[int | str, dict[str, Any]] = {503: {"description": "Not now; `missing` says why."}}

    @router.get("/health/ready", summary="Can it take requests in?", responses=not_ready)
    async def ready(response: Response) -> Mapping[str, Any]:
        missing = await readiness.missing()
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return {"ready": not missing, "missing": missing}

    @router.get("/metrics", include_in_schema=False)
    async def told() -> Response:
        return Response(metrics.render(), media_type=CONTENT_TYPE)

    return router
