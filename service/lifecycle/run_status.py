"""The MLflow run of a run that has ended: its status, made to say what the run store says."""

from dataclasses import dataclass

import structlog

from domain.errors import NeverRetry, TryLater
from domain.lifecycle import State
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.run_store import RunStore
from domain.run import Failure, Run
from domain.run_actions import was_cancelled
from domain.run_record import present
from service.lifecycle.steps import record_end
from service.lifecycle.steps.open_run import open_run
from service.promotion.reconciler import STATUS_JOB
from service.runtime.provenance import Provenance

log = structlog.get_logger()


async def cancelled_meanwhile(run: Run, store: RunStore) -> Run | None:
    """The run at its end, if it was lost because somebody cancelled it."""
    try:
        now = await store.get(run.run_id)
    except TryLater:
        return None
    return now if now is not None and was_cancelled(now) else None


@dataclass(frozen=True)
class RecordCloser:
    """Closes the records of runs that have ended."""

    store: RunStore
    tracker: ExperimentTracker
    provenance: Provenance

    async def close(self, run: Run) -> None:
        """Close the record of an ended run, if it has one. Safe to repeat. Raises NeverRetry, TryLater."""
        mlflow_run_id = await self._record_of(run)
        if mlflow_run_id is None:
            return
        if run.state is State.FAILED:
            failure = run.failure or Failure(reason="unknown", message="no reason was kept")
            await record_end.close_as_failed(run, mlflow_run_id, failure, self.tracker)
            return
        decided = present(run.record.decided)
        await record_end.close_with_verdict(run, mlflow_run_id, decided, self.tracker, self.provenance)

    async def close_cancelled(self, run: Run) -> None:
        """Close its record at once; the reconciler does it later where that is not possible."""
        try:
            await self.close(run)
            await self.store.job_done(run.run_id, STATUS_JOB)
        except (NeverRetry, TryLater) as error:
            log.warning("status_left_for_later", reason=error.reason)

    async def _record_of(self, run: Run) -> str | None:
        """The MLflow run of an accepted request; made now if MLflow was away when the run ended."""
        config = run.record.resolved
        if run.mlflow_run_id is not None or config is None:
            return run.mlflow_run_id
        opened = await open_run(run, config, self.tracker)
        await self.store.recorded_as(run.run_id, opened.mlflow_run_id)
        return opened.mlflow_run_id
