"""Who was champion, since when, only ever added to; what was announced of it; and our writes of the alias.

A write of the registry's alias is recorded before it is sent and closed when read back. An alias that differs
from the head of the ledger is drift when it matches an open record (a late write of ours), and a person's
doing when it matches none.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.counterparts import Announced
from domain.ledger import LedgerEntry
from domain.ports.ledger_reads import LedgerReads
from domain.quarantine import Quarantine


class PromotionLedger(LedgerReads, Protocol):
    """The ledger decides who is champion; the registry's alias and active_config.yaml follow it.

    Raises TryLater when the store does not answer.
    """

    async def append(
        self,
        entry: LedgerEntry,
        *,
        quarantines: Sequence[Quarantine] = (),
        announcements: Sequence[Announcement] = (),
    ) -> None:
        """Add the next generation, outside of a run, with what it quarantines: one transaction.

        `announcements` are those of `quarantines`, one for each, in their order. A generation that is
        quarantined already stays as it is, and is not announced again. Raises GenerationTaken if another
        promoter was first, PromotionBarred for a gate's entry while promotions are held, or its recipe is
        quarantined.
        """

    async def replica_reports(self, model_name: str, generation: int) -> Sequence[Announcement]:
        """What was ever said of each replica and this generation, in the order in which it was said."""

    async def wait_for_entry(self) -> None:
        """Return once an entry was appended since the newest call; before that, within the hour."""

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        """Entries whose `model.promoted` is not in the outbox yet, in order."""

    async def announce(self, entry: LedgerEntry, announcement: Announcement) -> None:
        """Put a generation's `model.promoted` into the outbox, once and after the generation before."""


class Announcements(Protocol):
    """Reads `model.promoted`. Raises TryLater with `waiting_on="kafka"` when it does not answer."""

    async def newest(self, model_name: str) -> Announced | None:
        """The highest generation among the last announcements; None when the topic holds none."""

    async def all(self, model_name: str) -> Sequence[Announced]:
        """Every announcement that the topic still holds, in its order."""


class AliasWrites(Protocol):
    """Raises TryLater when the store does not answer."""

    async def open(self, model_name: str, version: int, writer: str) -> int:
        """Record that `writer` is about to point the alias at `version`; return the record's number."""

    async def close(self, number: int) -> None:
        """The write was read back."""

    async def is_open(self, model_name: str, version: int) -> bool:
        """True when a write of ours to this version may still be on its way."""

    async def traffic(self, model_name: str) -> tuple[int, int]:
        """How many writes were ever recorded, and how many are open: the same twice, and nothing went on."""

    async def settled(self, model_name: str, seconds: float) -> Sequence[int]:
        """Return the open records of that age by the store's clock: no server still handles their writes."""
