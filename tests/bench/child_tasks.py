"""The two tasks of a child that speak to MLflow before a promotion, with every request noted."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.adapters.mlflow.door import Door
from service.tasks import fetch_model, upload_model
from tests.bench.notes import FILE, Notes


def upload(**arguments: Any) -> Any:
    """Upload as the product does."""
    return _noted(upload_model.upload, arguments)


def fetch(**arguments: Any) -> Any:
    """Fetch as the product does."""
    return _noted(fetch_model.fetch, arguments)


def _noted(task: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    plain, notes = Door._exchange, Notes(Path(os.environ[FILE]))

    @contextmanager
    def exchange(door: Door, doing: str, *others: Any) -> Iterator[Any]:
        began = time.monotonic_ns()
        try:
            with plain(door, doing, *others) as response:
                yield response
        finally:
            notes.note("mlflow", doing, began, time.monotonic_ns())

    setattr(Door, "_exchange", exchange)  # noqa: B010 - a method is replaced on purpose
    try:
        return task(**arguments)
    finally:
        setattr(Door, "_exchange", plain)  # noqa: B010 - likewise
        notes.close()
