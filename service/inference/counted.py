"""A reloader that counts how its reloads end, whoever asked, and keeps the last one's problem."""

from typing import Any

from domain.errors import NeverRetry, TryLater
from service.inference.metrics import InferenceMetrics
from service.inference.reloading import Guard, Outcome, Reloader


class CountedReloader(Reloader):
    """A Reloader that is seen from outside; made with its arguments and the metrics."""

    def __init__(self, metrics: InferenceMetrics, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.problem: str | None = None
        self._metrics = metrics

    async def reload(self, guard: Guard | None = None) -> Outcome:
        """Reload, and remember what came of it."""
        try:
            outcome = await super().reload(guard)
        except (NeverRetry, TryLater) as error:
            self.problem = error.message
            self._metrics.reloaded("unavailable" if isinstance(error, TryLater) else "refused")
            raise
        self.problem = None
        self._metrics.reloaded(outcome.status.value)
        return outcome
