"""The tasks of a child that speak to MLflow before a promotion, with every request noted."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.notes import FILE, Notes
from domain.job_results import FetchedFiles
from service.adapters.mlflow.sync_client import SyncClient
from service.models import fetch as fetching
from service.models import upload as uploading
from service.models.jobs import FetchJob, UploadJob, UploadTextsJob
from service.processes.task_names import Job, Result


def upload(job: UploadJob) -> None:
    """Upload as the product does."""
    _noted(uploading.upload, job)


def upload_texts(job: UploadTextsJob) -> None:
    """Upload texts as the product does."""
    _noted(uploading.upload_texts, job)


def fetch(job: FetchJob) -> FetchedFiles:
    """Fetch as the product does."""
    return _noted(fetching.fetch, job)


def _noted(task: Callable[[Job], Result], job: Job) -> Result:
    plain, notes = SyncClient._exchange, Notes(Path(os.environ[FILE]))

    @contextmanager
    def exchange(door: SyncClient, doing: str, *others: Any) -> Iterator[Any]:
        began = time.monotonic_ns()
        try:
            with plain(door, doing, *others) as response:
                yield response
        finally:
            notes.note("mlflow", doing, began, time.monotonic_ns())

    setattr(SyncClient, "_exchange", exchange)  # noqa: B010 - a method is replaced on purpose
    try:
        return task(job)
    finally:
        setattr(SyncClient, "_exchange", plain)  # noqa: B010 - likewise
        notes.close()
