"""The port `PromotionLedger` in memory."""

import json
from collections.abc import Sequence

from domain.announcement import Announcement
from domain.errors import GenerationTaken, IllegalTransition, NeverRetry, PromotionBarred
from domain.ledger import FIRST_HASH, RECENT, Cause, LedgerEntry
from domain.quarantine import Quarantine, Recipe, same_recipe
from tests.fakes.bars import active_hold, quarantine
from tests.fakes.memory import Memory


class FakePromotionLedger:
    """Refuses what the database's keys and triggers refuse."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self._seen = self.memory.appended.rings

    async def identity(self) -> str:
        return self.memory.ledger_id

    async def head(self, model_name: str) -> LedgerEntry | None:
        return next(reversed(self._of(model_name)), None)

    async def append(
        self,
        entry: LedgerEntry,
        *,
        quarantines: Sequence[Quarantine] = (),
        announcements: Sequence[Announcement] = (),
    ) -> None:
        if entry in self.memory.ledger:
            return
        self.check(entry)
        self.memory.ledger.append(entry)
        quarantine(self.memory, quarantines, announcements)
        self.memory.appended.ring()

    async def wait_for_entry(self) -> None:
        await self.memory.appended.beyond(self._seen, 3600)
        self._seen = self.memory.appended.rings

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        return self._of(model_name)

    async def last(self, model_name: str, count: int = RECENT) -> Sequence[LedgerEntry]:
        return self._of(model_name)[-count:]

    async def entry(self, model_name: str, generation: int) -> LedgerEntry | None:
        return next((entry for entry in self._of(model_name) if entry.generation == generation), None)

    async def of_version(self, model_name: str, version: int) -> LedgerEntry | None:
        return next((entry for entry in reversed(self._of(model_name)) if entry.version == version), None)

    async def first_broken_generation(self, model_name: str, *, recent: bool = False) -> int | None:
        long_ago = None if recent else self.memory.broken_long_ago.get(model_name)
        return self.memory.broken.get(model_name, long_ago)

    async def highest(self, model_name: str) -> int:
        known = [entry.generation for entry in self._of(model_name)]
        return max([0, *known, *(number or 0 for number in self._announced(model_name))])

    async def rollbacks(self, model_name: str) -> int:
        return sum(entry.cause is Cause.ROLLBACK for entry in self._of(model_name))

    async def replica_reports(self, model_name: str, generation: int) -> Sequence[Announcement]:
        rows = [row.announcement for row in self.memory.outbox if row.announcement.key == model_name]
        told = [one for one in rows if one.topic in {"inference.reloaded", "inference.diverged"}]
        return [one for one in told if json.loads(one.body)["generation"] == generation]

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
        self._refuse_barred(entry)
        if (entry.generation > head + 1 and not recovers) or entry.previous_hash != head_hash:
            raise NeverRetry("ledger_broken", "the entry does not follow the head")

    def _refuse_barred(self, entry: LedgerEntry) -> None:
        if entry.cause is not Cause.GATE:
            return
        if active_hold(self.memory, entry.model_name) is not None:
            raise PromotionBarred("promotions_held", "promotions are held")
        run = self.memory.runs.get(entry.run_id or "")
        split = None if run is None else run.run.record.split
        if split is None or entry.triple is None:
            return
        recipe = Recipe(triple=entry.triple, train_digest=split.train.sha256)
        ours = [one for one in self.memory.quarantines if one.model_name == entry.model_name]
        if same_recipe(recipe, [one for one in ours if one.lift is None]):
            raise PromotionBarred("recipe_quarantined", "the recipe is quarantined")

    def _of(self, model_name: str) -> list[LedgerEntry]:
        return [entry for entry in self.memory.ledger if entry.model_name == model_name]

    def _announced(self, model_name: str) -> set[int | None]:
        return {row.generation for row in self.memory.outbox if row.announcement.key == model_name}
