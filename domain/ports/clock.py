"""Time, passed in."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall clock for what people read, monotonic for spans. Leases live by the database's clock alone."""

    def now(self) -> datetime:
        """Wall-clock time with its zone (UTC)."""

    def monotonic(self) -> float:
        """Seconds that only grow."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
