"""Tells Prometheus how old the champion is, and how often there were rollbacks."""

from domain.ledger import LedgerEntry
from domain.ports.clock import Clock
from domain.ports.ledger_reads import LedgerReads
from service.runtime.metrics import Metrics


class HeadLooks:
    """Looks at the head; every worker of a model tells the same."""

    def __init__(self, ledger: LedgerReads, model_name: str, metrics: Metrics, clock: Clock) -> None:
        self._ledger = ledger
        self._model_name = model_name
        self._metrics = metrics
        self._clock = clock
        self._head: LedgerEntry | None = None
        self._rollbacks = 0

    async def look(self) -> None:
        """Look and tell; what the ledger holds is counted when it has grown. Silence leaves the figures."""
        head = await self._ledger.head(self._model_name)
        if head is None:
            return
        if head != self._head:
            rollbacks = await self._ledger.rollbacks(self._model_name)
            self._metrics.count("laurel_rollbacks_total", rollbacks - self._rollbacks)
            self._head, self._rollbacks = head, rollbacks
        age = (self._clock.now() - head.at).total_seconds()
        self._metrics.set("laurel_head_age_seconds", max(0.0, age))
