"""Is it alive, and can it take requests in? And the same as an orchestrator says it."""

from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from service.gateway.middleware import DAG_PREFIX
from service.runtime.web.health import Health, Liveness, Readying


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
