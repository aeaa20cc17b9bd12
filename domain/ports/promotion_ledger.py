"""Who was champion, since when; only ever added to."""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.ledger import LedgerEntry


class PromotionLedger(Protocol):
    """The ledger decides who is champion; the registry's alias and active_config.yaml follow it.

    Raises TryLater when the store does not answer.
    """

    async def head(self, model_name: str) -> LedgerEntry | None:
        """The newest entry; None for a model never promoted."""

    async def append(self, entry: LedgerEntry) -> None:
        """Add the next generation, outside of a run. Raises GenerationTaken if another promoter was first."""

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        """All entries in the order of their generations."""

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        """Entries whose `model.promoted` is not in the outbox yet, in order."""

    async def announce(self, entry: LedgerEntry, announcement: Announcement) -> None:
        """Put a generation's `model.promoted` into the outbox, once and behind the generation before."""
