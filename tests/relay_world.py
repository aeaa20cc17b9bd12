"""An outbox in memory and a wire that can be cut: what a relay works between."""

import asyncio
from collections.abc import Sequence

from domain.announcement import Announcement
from domain.errors import LaurelError
from domain.ports.outbox import OutboxRow


def row(seq: int, run_id: str | None, topic: str = "split.completed") -> OutboxRow:
    """One unsent announcement."""
    event = Announcement(
        event_id=f"e{seq}", topic=topic, key="price", headers={"ce_id": f"e{seq}"}, body="{}"
    )
    return OutboxRow(seq=seq, run_id=run_id, announcement=event)


class RowsInMemory:
    """Port `Outbox` for one relay; `relay` says whether it is the one that sends."""

    def __init__(self, *rows: OutboxRow) -> None:
        self.rows = {one.seq: one for one in rows}
        self.sent: list[int] = []
        self.relay = True
        self.asked = 0
        self._committed = asyncio.Event()

    def commit(self, *rows: OutboxRow) -> None:
        """Put rows in, as a transaction that was committed does."""
        self.rows |= {one.seq: one for one in rows}
        self._committed.set()

    async def unsent(self, limit: int) -> Sequence[OutboxRow]:
        """The oldest rows that are not marked."""
        return [self.rows[seq] for seq in sorted(self.rows) if seq not in self.sent][:limit]

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Mark rows."""
        self.sent.extend(seqs)

    async def try_to_be_the_relay(self) -> bool:
        """Say whether this one sends."""
        self.asked += 1
        return self.relay

    async def wait_for_rows(self, timeout_seconds: float) -> None:
        """Return when a row was committed, or when the time is over."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._committed.wait()
        except TimeoutError:
            return
        self._committed.clear()

    async def add(self, announcement: Announcement) -> None:
        """Put one in that belongs to no run."""
        seq = max(self.rows, default=0) + 1
        self.commit(OutboxRow(seq=seq, run_id=None, announcement=announcement))

    async def oldest_age_seconds(self) -> float:
        """Not measured here."""
        return 1.0 if len(self.sent) < len(self.rows) else 0.0


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
