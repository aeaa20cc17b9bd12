"""Who was champion, since when, only ever added to; and what was announced of it."""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.counterparts import Announced
from domain.ledger import LedgerEntry
from domain.ports.ledger_reads import LedgerReads


class PromotionLedger(LedgerReads, Protocol):
    """The ledger decides who is champion; the registry's alias and active_config.yaml follow it.

    Raises TryLater when the store does not answer.
    """

    async def append(self, entry: LedgerEntry) -> None:
        """Add the next generation, outside of a run. Raises GenerationTaken if another promoter was first."""

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
