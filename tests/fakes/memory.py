"""What the fakes of the stores share, as the real ones share a database."""

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.announcement import Announcement
from domain.hold import PromotionHold
from domain.ledger import LedgerEntry
from domain.quarantine import Quarantine
from domain.run import Run, TransitionRecord


def wall_clock() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


@dataclass
class RunRow:
    """A run with what only the store knows of it."""

    run: Run
    lease_until: datetime | None = None
    not_before: datetime | None = None
    history: list[TransitionRecord] = field(default_factory=list)
    chores_done: set[str] = field(default_factory=set)


@dataclass
class OutboxEntry:
    """An announcement with its place."""

    seq: int
    run_id: str | None
    announcement: Announcement
    generation: int | None
    created_at: datetime
    sent: bool = False


@dataclass
class KeptLoss:
    """A champion's version was gone."""

    noticed_at: datetime
    ended: bool = False


class Bell:
    """Wakes whoever waits; counts, so that nobody misses what comes before the waiting."""

    def __init__(self) -> None:
        self.rings = 0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def beyond(self, rings: int, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.rings <= rings:
                    await self._rung.wait()


class Memory:
    """The rows of every store, and the clock by which leases live."""

    def __init__(self, now: Callable[[], datetime] = wall_clock) -> None:
        self.now = now
        self.runs: dict[str, RunRow] = {}
        self.outbox: list[OutboxEntry] = []
        self.ledger: list[LedgerEntry] = []
        self.ledger_id = str(uuid.uuid4())
        self.broken: dict[str, int] = {}  # what an audit is to find, by model
        self.broken_long_ago: dict[str, int] = {}  # likewise, where an audit of all looks alone
        self.relays: dict[str, object] = {}
        self.first_uses: dict[tuple[str, str, str], str] = {}
        self.alias_writes: dict[int, tuple[str, int, str, datetime]] = {}
        self.alias_writes_made = 0
        self.losses: dict[tuple[str, int], list[KeptLoss]] = {}
        self.accepted: dict[tuple[str, str], datetime] = {}
        self.heartbeats: dict[str, tuple[Any, datetime, datetime]] = {}
        self.notices: dict[tuple[str, str, str], Any] = {}
        self.holds: list[PromotionHold] = []
        self.quarantines: list[Quarantine] = []
        self.work = Bell()
        self.rows = Bell()
        self.appended = Bell()
        self.cancelled = Bell()

    def announce(
        self, announcement: Announcement, run_id: str | None = None, generation: int | None = None
    ) -> None:
        """Put an announcement in, unless its id is there."""
        if all(known.announcement.event_id != announcement.event_id for known in self.outbox):
            entry = OutboxEntry(len(self.outbox) + 1, run_id, announcement, generation, self.now())
            self.outbox.append(entry)
            self.rows.ring()
