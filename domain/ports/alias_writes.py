"""Our own writes of the registry's alias, recorded before they are sent and closed when read back.

An alias that differs from the head of the ledger is drift when it matches an open record (a late write of
ours), and a person's doing when it matches none.
"""

from collections.abc import Sequence
from typing import Protocol


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
