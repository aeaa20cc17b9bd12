"""A worker as `laurel worker` makes it, which also notes when what happened."""

import asyncio
import functools
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.notes import FILE, Notes
from config.settings import Settings
from domain.points import Point, Points
from service.adapters.mlflow.rest import MlflowRest
from service.lifecycle.job_client import JobClient
from service.lifecycle.root import Makers, open_worker
from service.lifecycle.settings_values import mask_of
from service.models.jobs import FETCH, UPLOAD, UPLOAD_TEXTS
from service.processes.task_names import JobRef
from service.runtime.metrics import Metrics
from service.runtime.role import Role
from service.runtime.telemetry import configure_logging

_MAKERS = Makers(
    replaced_jobs={
        UPLOAD.path: "bench.child_tasks:upload",
        UPLOAD_TEXTS.path: "bench.child_tasks:upload_texts",
        FETCH.path: "bench.child_tasks:fetch",
    }
)


class NotedPoints(Points):
    """Every point that the worker passes."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    async def at(self, point: Point) -> None:
        """Note the moment."""
        now = time.monotonic_ns()
        self._notes.note("point", point.value, now, now)


def timed(
    notes: Notes, kind: str, name_at: int, call: Callable[..., Awaitable[Any]]
) -> Callable[..., Awaitable[Any]]:
    """Wrap a method: note its begin and end under the argument at a place."""

    @functools.wraps(call)
    async def noted(*args: Any, **kwargs: Any) -> Any:
        began = time.monotonic_ns()
        try:
            return await call(*args, **kwargs)
        finally:
            named = args[name_at]
            name = named.path.partition(":")[2] if isinstance(named, JobRef) else str(named)
            notes.note(kind, name, began, time.monotonic_ns())

    return noted


async def live(settings: Settings, notes: Notes) -> None:
    """Do what `laurel worker` does."""
    metrics = Metrics()
    parts = partial(open_worker, settings, metrics, points=NotedPoints(notes), makers=_MAKERS)
    role = Role("worker", parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    async with asyncio.TaskGroup() as both:
        noting = both.create_task(_note_ready(role, notes))
        await role.run(settings.http.host, settings.http.worker_port)
        noting.cancel()


async def _note_ready(role: Role, notes: Notes) -> None:
    await role.ready.wait()
    now = time.monotonic_ns()
    notes.note("role", "ready", now, now)


def main() -> None:
    """Live until told to stop."""
    notes = Notes(Path(os.environ[FILE]))
    setattr(JobClient, "run", timed(notes, "task", 2, JobClient.run))  # noqa: B010 - a method is replaced on purpose
    setattr(MlflowRest, "_call", timed(notes, "mlflow", 2, MlflowRest._call))  # noqa: B010 - likewise
    settings = Settings()
    configure_logging(mask_of(settings), level=settings.log.level, human=False)
    asyncio.run(live(settings, notes))


if __name__ == "__main__":
    main()
