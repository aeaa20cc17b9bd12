"""The reconciler: looks again, slowly and for ever, and repairs what a crash or a person left behind."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from domain.errors import NeverRetry, TryLater
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.ports.model_registry import ModelRegistry
from domain.ports.promotion_ledger import AliasWrites
from domain.ports.run_store import RunStore
from domain.run import Run
from service.promotion.known_versions import KnownVersions
from service.promotion.projector import LedgerProjector

log = structlog.get_logger()

CloseRecord = Callable[[Run], Awaitable[None]]

STATUS_JOB = "status"  # the chore of a run that ended while MLflow was away
_AT_ONCE = 20
_RUN_DELETED = "mlflow_run_deleted"
# A write that was never read back may still land; a server that took it so long ago has let it go.
_SETTLED_SECONDS = 600.0


@dataclass(frozen=True)
class Reconciler:
    """Makes alias, defaults and announcements follow the ledger, and MLflow's status the run's.

    `close_record` closes the record of a run that has ended.
    """

    model_name: str
    registry: ModelRegistry
    alias_writes: AliasWrites
    store: RunStore
    clock: Clock
    points: Points
    versions: KnownVersions
    projector: LedgerProjector
    pause_seconds: float
    close_record: CloseRecord

    async def run_forever(self) -> None:
        """Look at once and then after every pause; a service that is away is waited for."""
        while True:
            try:
                await self.look()
            except (NeverRetry, TryLater) as error:
                log.warning("not_reconciled", reason=error.reason, message=error.message)
            await self._pause()

    async def _pause(self) -> None:
        """Wait, unless a person decides: what follows is shown at once."""
        waits = {
            asyncio.ensure_future(self.clock.sleep(self.pause_seconds)),
            asyncio.ensure_future(self.projector.ledger.wait_for_entry()),
        }
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def look(self) -> None:
        """Take one look and repair what differs. Safe to repeat."""
        # In this order: a settled write may be what the alias shows, until the head was seen to stand there.
        settled = await self.alias_writes.settled(self.model_name, _SETTLED_SECONDS)
        shown = await self.projector.follow()
        await self.points.at(Point.RECONCILE_AFTER_READ)
        if shown is not None:
            await self.projector.announce_up_to(shown)
            if signature := await self.versions.late_signature(shown):
                await self.registry.tag_version(self.model_name, shown.version, signature)
                log.info("champion_signed", version=shown.version, generation=shown.generation)
            for number in settled:
                await self.alias_writes.close(number)
        await self.points.at(Point.RECONCILE_AFTER_WRITE)
        await self._close_records()

    async def _close_records(self) -> None:
        for run in await self.store.ended_without(self.model_name, STATUS_JOB, _AT_ONCE):
            try:
                await self.close_record(run)
            except (NeverRetry, TryLater) as error:
                if isinstance(error, TryLater) and error.reason != _RUN_DELETED:
                    raise
                # A person who deleted the record of an ended run wants none; it may not hold up the others.
                log.warning("status_given_up", run=run.run_id, reason=error.reason, message=error.message)
            await self.store.job_done(run.run_id, STATUS_JOB)
