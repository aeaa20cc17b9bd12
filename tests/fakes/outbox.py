"""The port `Outbox` in memory."""

from collections.abc import Sequence

from domain.announcement import Announcement
from domain.errors import IllegalTransition
from domain.events import ModelPromoted
from domain.ports.messages import OutboxRow
from tests.fakes.memory import Memory, OutboxEntry


class FakeOutbox:
    """One process's view of one model's outbox."""

    def __init__(self, memory: Memory | None = None, model_name: str = "price") -> None:
        self.memory = memory or Memory()
        self._model = model_name
        self._seen = -1

    async def unsent(self, limit: int) -> Sequence[OutboxRow]:
        self._seen = self.memory.rows.rings
        return [
            OutboxRow(seq=row.seq, run_id=row.run_id, announcement=row.announcement)
            for row in self._waiting()[:limit]
        ]

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        for row in self.memory.outbox:
            row.sent |= row.seq in seqs

    async def try_to_be_the_relay(self) -> bool:
        return self.memory.relays.setdefault(self._model, self) is self

    async def close(self) -> None:
        """Let another be the relay."""
        if self.memory.relays.get(self._model) is self:
            del self.memory.relays[self._model]

    async def wait_for_rows(self, timeout_seconds: float) -> None:
        await self.memory.rows.beyond(self._seen, timeout_seconds)
        self._seen = self.memory.rows.rings

    async def add(self, announcement: Announcement) -> None:
        refuse_promotions([announcement])
        self.memory.announce(announcement)

    async def told(self, event_ids: Sequence[str]) -> Sequence[Announcement]:
        rows = [row.announcement for row in self.memory.outbox]
        return [told for told in rows if told.event_id in event_ids and told.key == self._model]

    async def oldest_age_seconds(self) -> float:
        waiting = self._waiting()
        return (self.memory.now() - waiting[0].created_at).total_seconds() if waiting else 0.0

    def _waiting(self) -> list[OutboxEntry]:
        return [row for row in self.memory.outbox if not row.sent and row.announcement.key == self._model]


def refuse_promotions(announcements: Sequence[Announcement]) -> None:
    """Only the ledger announces a generation."""
    if any(announcement.topic == ModelPromoted.topic for announcement in announcements):
        raise IllegalTransition("announced_elsewhere", "the ledger announces promotions")
