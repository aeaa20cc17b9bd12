"""A reloader that counts how its reloads end, for every caller, and keeps the last one's problem."""

from domain.errors import NeverRetry, TryLater
from service.serving.reloading import Guard, Reloader, ReloadOutcome, UnknownGeneration
from service.serving.serving_metrics import InferenceMetrics


class CountedReloader:
    """A Reloader that is seen from outside."""

    def __init__(self, reloader: Reloader, metrics: InferenceMetrics) -> None:
        self.problem: str | None = None
        self._reloader = reloader
        self._metrics = metrics

    async def reload(self, guard: Guard | None = None) -> ReloadOutcome:
        """Reload, and remember what came of it."""
        try:
            outcome = await self._reloader.reload(guard)
        except UnknownGeneration:  # the caller's fault: nothing is wrong with this server
            self._metrics.reloaded("unknown_generation")
            raise
        except (NeverRetry, TryLater) as error:
            self.problem = error.message
            self._metrics.reloaded("unavailable" if isinstance(error, TryLater) else "refused")
            raise
        self.problem = None
        self._metrics.reloaded(outcome.status.value)
        return outcome

    async def watch_start(self) -> None:
        """Keep trying until the champion is served; each try counts."""
        await self._reloader.watch_start(self.reload)
