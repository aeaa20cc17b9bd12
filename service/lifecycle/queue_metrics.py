"""Tells Prometheus how long the queue is. No fault here stops a run."""

from typing import Final

from domain.ports.clock import Clock
from domain.ports.workers import Workers
from service.runtime.metrics import Metrics
from service.runtime.told_once import ToldOnce

_PAUSE_SECONDS: Final = 10.0


class QueueLooks:
    """Counts the runs that have not ended, again and again; every worker of a model tells the same."""

    def __init__(self, workers: Workers, model_name: str, metrics: Metrics, clock: Clock) -> None:
        self._workers = workers
        self._model_name = model_name
        self._metrics = metrics
        self._clock = clock
        self._failures = ToldOnce("queue_not_read")

    async def run_forever(self) -> None:
        """Look at once and then after every pause."""
        while True:
            await self.look()
            await self._clock.sleep(_PAUSE_SECONDS)

    async def look(self) -> None:
        """Count and tell. Without an answer the last figures stay."""
        with self._failures.told():
            waiting = await self._workers.waiting(self._model_name)
            tell = self._metrics.set
            tell("laurel_runs_unfinished", waiting.unfinished)
            tell("laurel_runs_unclaimed", waiting.unclaimed)
            tell("laurel_oldest_request_age_seconds", waiting.oldest_seconds)
            tell("laurel_oldest_unclaimed_age_seconds", waiting.oldest_unclaimed_seconds)
