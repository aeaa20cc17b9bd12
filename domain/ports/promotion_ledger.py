"""Who was champion, since when; only ever added to."""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.ledger import LedgerEntry


class PromotionLedger(Protocol):
    """The ledger decides who is champion; the registry's alias and active_config.yaml follow it.

    Raises TryLater when the store does not answer.
    """

    async def identity(self) -> str:
        """The random id of this ledger: the same for ever, and in no other one but its copies."""

    async def head(self, model_name: str) -> LedgerEntry | None:
        """The newest entry; None for a model never promoted."""

    async def append(self, entry: LedgerEntry) -> None:
        """Add the next generation, outside of a run. Raises GenerationTaken if another promoter was first."""

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        """All entries in the order of their generations."""

    async def first_broken_generation(self, model_name: str) -> int | None:
        """The first generation that was changed or removed, or that was announced otherwise; None: all hold.

        While there is one, nothing but a recovery is appended.
        """

    async def highest(self, model_name: str) -> int:
        """The highest generation that the store knows of, in the ledger or announced; 0 without any."""

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        """Entries whose `model.promoted` is not in the outbox yet, in order."""

    async def announce(self, entry: LedgerEntry, announcement: Announcement) -> None:
        """Put a generation's `model.promoted` into the outbox, once and behind the generation before."""
