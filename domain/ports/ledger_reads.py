"""Who was champion, since when: for those who only look."""

from collections.abc import Sequence
from typing import Protocol

from domain.ledger import RECENT, LedgerEntry


class LedgerReads(Protocol):
    """Reads the ledger. Raises TryLater when the store does not answer."""

    async def identity(self) -> str:
        """The random id of this ledger: the same for ever, and in no other one but its copies."""

    async def head(self, model_name: str) -> LedgerEntry | None:
        """The newest entry; None for a model never promoted."""

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        """All entries in the order of their generations: for who audits them, or has few."""

    async def last(self, model_name: str, count: int = RECENT) -> Sequence[LedgerEntry]:
        """The newest entries, at most so many, in the order of their generations."""

    async def entry(self, model_name: str, generation: int) -> LedgerEntry | None:
        """The entry of one generation."""

    async def of_version(self, model_name: str, version: int) -> LedgerEntry | None:
        """The newest entry of a version."""

    async def first_broken_generation(self, model_name: str, *, recent: bool = False) -> int | None:
        """The first generation that was changed or removed, or that was announced otherwise; None: all hold.

        While there is one among the `recent` ones, nothing but a recovery is appended.
        """

    async def highest(self, model_name: str) -> int:
        """The highest generation that the store knows of, in the ledger or announced; 0 without any."""

    async def rollbacks(self, model_name: str) -> int:
        """How many rollbacks the ledger holds."""
