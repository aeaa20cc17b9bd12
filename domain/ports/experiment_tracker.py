"""The record of everything: what a run was."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from domain.datasets import DatasetInput
from domain.models import LoggedModel, OpenedRun, RecordedRun


class ExperimentTracker(Protocol):
    """Raises TryLater with `waiting_on="mlflow"` when it does not answer; NeverRetry when it refuses.

    Creating calls are made while holding the lease; after an unclear answer they read back and adopt. With
    `is_new` the caller knows that nobody can have asked for the thing before: it is not looked for first.
    """

    async def open_run(
        self,
        run_id: str,
        name: str,
        tags: Mapping[str, str],
        *,
        is_new: bool = False,
        started_at: datetime | None = None,
    ) -> OpenedRun:
        """Find the run tagged `laurel.run_id` = `run_id`, or create it. Others with that tag are orphans.

        One that is created has started at `started_at`, else now.
        """

    async def log(
        self,
        mlflow_run_id: str,
        *,
        params: Mapping[str, object] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log in one call. The same values again change nothing; a non-finite metric is a defect of ours."""

    async def log_inputs(self, mlflow_run_id: str, datasets: Sequence[DatasetInput]) -> None:
        """Say which datasets the run was made from. Safe to repeat."""

    async def create_model(
        self,
        run: OpenedRun,
        params: Mapping[str, object],
        tags: Mapping[str, str],
        *,
        is_new: bool = False,
        on_created: Callable[[LoggedModel], None] | None = None,
    ) -> LoggedModel:
        """Find this run's logged model `model`, or create it.

        `on_created` is told as soon as its id is known: a fit need not wait until the run lists the model.
        """

    async def finalize_model(self, model: LoggedModel, tags: Mapping[str, str]) -> None:
        """Mark the logged model READY, and set tags of it. Safe to repeat."""

    async def recorded(self, mlflow_run_id: str) -> RecordedRun | None:
        """Read a run, also a deleted one; None only when the server itself says that it does not exist."""

    async def create_successor(self, run: OpenedRun, model_id: str) -> LoggedModel:
        """Find or create a run's second logged model `model`, which is to stand in for its first one.

        It takes over params and tags. Plain readers of `runs:/<id>/model` find it instead.
        """

    async def finish(
        self,
        mlflow_run_id: str,
        status: str,
        tags: Mapping[str, str],
        *,
        name: str | None = None,
        ended_at: datetime | None = None,
    ) -> None:
        """Set tags, the closing status (FINISHED or FAILED), a new name if given, and its end, else now.

        Safe to repeat.
        """

    async def mark_orphans(self, run: OpenedRun, run_id: str, model: LoggedModel | None) -> None:
        """Mark what a slow request of ours made after we had stopped waiting for it. Safe to repeat.

        Off the critical path, when the run has ended: `run` and `model` are those of record.
        """
