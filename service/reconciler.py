"""The reconciler: looks again, slowly and for ever, and mends what a crash or a person left askew."""

import structlog

from domain.errors import NeverRetry, TryLater
from domain.lifecycle import State, Step
from domain.points import Point
from domain.resolved_config import ResolvedConfig
from domain.run import Failure, Run
from service.ledger_projector import LedgerProjector
from service.steps import record
from service.steps.open_run import open_run
from service.steps.outputs import Decided
from service.world import World

log = structlog.get_logger()

STATUS_CHORE = "status"  # the chore of a run that ended while MLflow was away
_AT_ONCE = 20
_RUN_DELETED = "mlflow_run_deleted"
# A write that was never read back may still land; a server that took it so long ago has let it go.
_SETTLED_SECONDS = 600.0


class Reconciler:
    """Makes alias, defaults and announcements follow the ledger, and MLflow's status the run's."""

    def __init__(self, world: World, projector: LedgerProjector, pause_seconds: float) -> None:
        self._world = world
        self._projector = projector
        self._pause_seconds = pause_seconds

    async def run_forever(self) -> None:
        """Look at once and then after every pause; a service that is away is waited for."""
        while True:
            try:
                await self.look()
            except (NeverRetry, TryLater) as error:
                log.warning("not_reconciled", reason=error.reason, message=error.message)
            await self._world.clock.sleep(self._pause_seconds)

    async def look(self) -> None:
        """Take one look and mend what differs. Safe to repeat."""
        # In this order: a settled write may be what the alias shows, until the head was seen to stand there.
        settled = await self._world.alias_writes.settled(self._world.model_name, _SETTLED_SECONDS)
        shown = await self._projector.follow()
        await self._world.points.at(Point.RECONCILE_AFTER_READ)
        if shown is not None:
            await self._projector.announce_up_to(shown)
            for number in settled:
                await self._world.alias_writes.close(number)
        await self._world.points.at(Point.RECONCILE_AFTER_WRITE)
        await self._close_records()

    async def _close_records(self) -> None:
        for run in await self._world.store.ended_without(self._world.model_name, STATUS_CHORE, _AT_ONCE):
            try:
                await self._close_record(run)
            except (NeverRetry, TryLater) as error:
                if isinstance(error, TryLater) and error.reason != _RUN_DELETED:
                    raise
                # Whoever deleted the record of an ended run wants none; it may not hold up the others.
                log.warning("status_given_up", run=run.run_id, reason=error.reason, message=error.message)
            await self._world.store.chore_done(run.run_id, STATUS_CHORE)

    async def _close_record(self, run: Run) -> None:
        mlflow_run_id = await self._record_of(run)
        if mlflow_run_id is None:
            return
        if run.state is State.FAILED:
            failure = run.failure or Failure(reason="unknown", message="no reason was kept")
            await record.close_as_failed(run, mlflow_run_id, failure, self._world)
            return
        decided = Decided.model_validate(run.outputs[Step.DECIDE])
        await record.close_with_verdict(run, mlflow_run_id, decided, self._world)

    async def _record_of(self, run: Run) -> str | None:
        """The MLflow run of an accepted request; made now if MLflow was away when the run failed."""
        if run.mlflow_run_id is not None or Step.RESOLVE not in run.outputs:
            return run.mlflow_run_id
        config = ResolvedConfig.model_validate(run.outputs[Step.RESOLVE])
        opened = await open_run(run, config, self._world)
        await self._world.store.recorded_as(run.run_id, opened.mlflow_run_id)
        return opened.mlflow_run_id
