"""A page of the workers: who works, for which model, and what waits for them."""

from fastapi import APIRouter
from pydantic import Field

from domain.ports.workers import Workers
from service.gateway.openapi import refusals
from service.gateway.refusals import as_problem
from service.gateway.views import View, WorkerView, worker_views


class WorkersView(View):
    """Every worker, and how many runs of this API's model wait for one or are running."""

    workers: tuple[WorkerView, ...] = Field(description="Every worker that was heard of, of any model.")
    model_name: str = Field(description="The model of this API.")
    unclaimed_runs: int = Field(description="Its runs that wait for a worker.")
    runs_in_hand: int = Field(description="Its runs that a worker has in hand.")
    runs_put_off: int = Field(description="Its runs that wait for a service.")
    oldest_unclaimed_seconds: float = Field(description="How long the oldest one waits.")


def add_worker_routes(router: APIRouter, workers: Workers, model_name: str) -> None:
    """Add the page."""

    @router.get("/workers", summary="List the workers", responses=refusals(422))
    async def listed() -> WorkersView:
        """Of every model: host, version, since when, the runs in hand, when last heard.

        It also says how many runs of this door's model wait. A worker that ended in order is not listed.
        """
        with as_problem():
            heard, waiting = await workers.heard(), await workers.waiting(model_name)
        return WorkersView(
            workers=worker_views(heard),
            model_name=model_name,
            unclaimed_runs=waiting.unclaimed,
            runs_in_hand=waiting.held,
            runs_put_off=waiting.put_off,
            oldest_unclaimed_seconds=waiting.oldest_unclaimed_seconds,
        )
