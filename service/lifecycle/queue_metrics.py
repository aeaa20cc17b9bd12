"""Tells Prometheus how long the queue is."""

from dataclasses import dataclass

from domain.ports.workers import Workers
from service.runtime.metrics import Metrics


@dataclass(frozen=True)
class QueueLooks:
    """Counts the runs that have not ended; every worker of a model tells the same."""

    workers: Workers
    model_name: str
    metrics: Metrics

    async def look(self) -> None:
        """Count and tell. Without an answer the last figures stay."""
        waiting = await self.workers.waiting(self.model_name)
        tell = self.metrics.set
        tell("laurel_runs_unfinished", waiting.unfinished)
        tell("laurel_runs_unclaimed", waiting.unclaimed)
        tell("laurel_oldest_request_age_seconds", waiting.oldest_seconds)
        tell("laurel_oldest_unclaimed_age_seconds", waiting.oldest_unclaimed_seconds)
