"""The port `PromotionLedger` in memory."""

from collections.abc import Sequence

from domain.announcement import Announcement
from domain.errors import GenerationTaken, IllegalTransition, NeverRetry
from domain.ledger import FIRST_HASH, Cause, LedgerEntry
from tests.fakes.memory import Memory


class FakePromotionLedger:
    """Refuses what the database's keys and triggers refuse."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()

    async def identity(self) -> str:
        return self.memory.ledger_id

    async def head(self, model_name: str) -> LedgerEntry | None:
        return next(reversed(self._of(model_name)), None)

    async def append(self, entry: LedgerEntry) -> None:
        if entry not in self.memory.ledger:
            self.check(entry)
            self.memory.ledger.append(entry)

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        return self._of(model_name)

    async def first_broken_generation(self, model_name: str) -> int | None:
        return self.memory.broken.get(model_name)

    async def highest(self, model_name: str) -> int:
        known = [entry.generation for entry in self._of(model_name)]
        return max([0, *known, *(number or 0 for number in self._announced(model_name))])

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        announced = self._announced(model_name)
        return [entry for entry in self._of(model_name) if entry.generation not in announced]

    async def announce(self, entry: LedgerEntry, announcement: Announcement) -> None:
        announced = self._announced(entry.model_name)
        if entry.generation in announced:
            return
        before = {
            known.generation for known in self._of(entry.model_name) if known.generation < entry.generation
        }
        if before - announced:
            raise IllegalTransition("generation_out_of_turn", "the one before it is not announced")
        self.memory.announce(announcement, entry.run_id, entry.generation)

    def check(self, entry: LedgerEntry) -> None:
        """Raise unless the entry continues its model's chain."""
        chain = self._of(entry.model_name)
        head, head_hash = (chain[-1].generation, chain[-1].hash) if chain else (0, FIRST_HASH)
        recovers = entry.cause is Cause.RECOVERY
        if entry.generation <= head or (recovers and entry.previous_hash != head_hash):
            raise GenerationTaken("generation_taken", "this generation is in the ledger already")
        if (entry.generation > head + 1 and not recovers) or entry.previous_hash != head_hash:
            raise NeverRetry("ledger_broken", "the entry does not follow the head")

    def _of(self, model_name: str) -> list[LedgerEntry]:
        return [entry for entry in self.memory.ledger if entry.model_name == model_name]

    def _announced(self, model_name: str) -> set[int | None]:
        return {row.generation for row in self.memory.outbox if row.announcement.key == model_name}
