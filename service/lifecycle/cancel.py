"""Cancelling a run, held or not: it ends at once, and its holder is notified."""

from dataclasses import dataclass

from domain.errors import LeaseLost
from domain.points import NO_POINTS, Point, Points
from domain.ports.clock import Clock
from domain.ports.run_store import RunStore
from domain.run import Failure, Run
from domain.run_actions import Actor, cancellation, require_cancellable, was_cancelled
from service.lifecycle import events
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)


@dataclass(frozen=True)
class Cancelling:
    """Ends runs in the run store, where their holders lose them. Kafka and MLflow need not answer."""

    store: RunStore
    clock: Clock
    max_event_bytes: int
    points: Points = NO_POINTS

    async def cancel(self, run: Run, actor: Actor, reason: str | None) -> Run:
        """End the run FAILED `cancelled`, and announce it; one that was cancelled before stays as it is.

        Safe to repeat. Raises CannotCancel; TryLater when the run store does not answer.
        """
        failure = cancellation(actor, reason)
        while not was_cancelled(run):
            require_cancellable(run)
            ended = await self._ended(run, failure)
            run = ended or await self.store.get(run.run_id) or run  # it went on meanwhile
        return run

    async def _ended(self, run: Run, failure: Failure) -> Run | None:
        announcement = events.failed(run, failure, events.Announcer(self.clock, self.max_event_bytes))
        await self.points.at(Point.CANCEL_BEFORE_COMMIT)
        try:
            ended = await self.store.cancel(run, failure, (announcement,))
        except LeaseLost:
            return None
        log.info("run_cancelled", run=run.run_id, message=failure.message)
        await self.points.at(Point.CANCEL_AFTER_COMMIT)
        return ended
