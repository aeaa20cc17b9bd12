"""Time, passed in."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """One clock of record for what is recorded or compared with it, monotonic for spans.

    Where there is a run store, the clock of record is its own. Leases live by the database's clock alone.
    """

    def now(self) -> datetime:
        """Time by the clock of record, with its zone (UTC)."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
