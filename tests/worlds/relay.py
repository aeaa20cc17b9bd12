"""An outbox in memory and a wire that can be cut: what a relay works between."""

import asyncio
from collections.abc import Sequence

from domain.announcement import Announcement
from domain.errors import LaurelError
from domain.ports.messages import OutboxRow
from tests.fakes.memory import OutboxEntry
from tests.fakes.outbox import FakeOutbox


def row(seq: int, run_id: str | None, topic: str = "split.completed") -> OutboxRow:
    """One unsent announcement."""
    event = Announcement(
        event_id=f"e{seq}", topic=topic, key="price", headers={"ce_id": f"e{seq}"}, body="{}"
    )
    return OutboxRow(seq=seq, run_id=run_id, announcement=event)


class RowsInMemory(FakeOutbox):
    """The outbox in memory for one relay; `relay` says whether it is the one that sends."""

    def __init__(self, *rows: OutboxRow) -> None:
        super().__init__()
        self.rows: dict[int, OutboxRow] = {}
        self.sent: list[int] = []
        self.relay = True
        self.asked = 0
        self.commit(*rows)

    def commit(self, *rows: OutboxRow) -> None:
        """Put rows in, as a transaction that was committed does."""
        self.rows |= {one.seq: one for one in rows}
        self.memory.outbox += [
            OutboxEntry(one.seq, one.run_id, one.announcement, None, self.memory.now()) for one in rows
        ]
        self.memory.rows.ring()

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Mark rows, and remember in which order."""
        await super().mark_sent(seqs)
        self.sent.extend(seqs)

    async def try_to_be_the_relay(self) -> bool:
        """Say whether this one sends."""
        self.asked += 1
        return self.relay


class Wire:
    """A publisher: records when each event was acknowledged; `refuse` maps event ids to what is raised."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.attempts: list[str] = []
        self.refuse: dict[str, LaurelError] = {}
        self.held: dict[str, asyncio.Event] = {}

    async def publish(self, announcement: Announcement) -> None:
        """Acknowledge it after a moment, unless it is refused or held."""
        event_id = announcement.event_id
        self.attempts.append(event_id)
        if event_id in self.held:
            await self.held[event_id].wait()
        await asyncio.sleep(0)
        if event_id in self.refuse:
            raise self.refuse[event_id]
        self.acknowledged.append(event_id)
