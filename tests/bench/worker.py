"""A worker as `laurel worker` makes it, which also notes when what happened: `worker.py NOTES_FILE`.

A note is a line of JSON with nanoseconds of the machine's monotonic clock, which all processes share.
"""

import asyncio
import functools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from config.settings import Settings
from domain.points import Point, Points
from service.adapters.mlflow.rest import MlflowRest
from service.app import open_worker
from service.heavy.desk import Desk
from service.metrics import Metrics
from service.role import Role
from service.settings_values import mask_of
from service.telemetry import configure_logging


class Notes:
    """Appends to a file; a note costs some microseconds."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, kind: str, name: str, began: int, ended: int) -> None:
        """Write one note."""
        os.write(self._file, json.dumps([kind, name, began, ended]).encode() + b"\n")


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
            notes.note(kind, str(args[name_at]), began, time.monotonic_ns())

    return noted


async def live(settings: Settings, notes: Notes) -> None:
    """Do what `laurel worker` does."""
    metrics = Metrics()
    parts = partial(open_worker, settings, metrics, points=NotedPoints(notes))
    role = Role("worker", parts, metrics, grace_seconds=settings.worker.grace_seconds)
    role.stop_on_signals()
    await role.run(settings.http.host, settings.http.worker_port)


def main() -> None:
    """Live until told to stop."""
    notes = Notes(Path(sys.argv[1]))
    Desk.run = timed(notes, "task", 2, Desk.run)  # type: ignore[method-assign]
    MlflowRest._call = timed(notes, "mlflow", 2, MlflowRest._call)  # type: ignore[method-assign]
    settings = Settings()
    configure_logging(mask_of(settings), level=settings.log.level, human=False)
    asyncio.run(live(settings, notes))


if __name__ == "__main__":
    main()
