"""The machine's clock, and the run store's."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """Port `Clock` on the machine itself."""

    def now(self) -> datetime:
        """Wall-clock time in UTC."""
        return datetime.now(tz=UTC)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)


class RecordClock(SystemClock):
    """The clock of record: the run store's, as it was read last, and this machine's seconds since.

    Rows have their times from the store. What is compared with them, and what is recorded beside them, is by
    the same clock, however wrong the machine's may be.
    """

    def __init__(self) -> None:
        self._read: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The run store's time in UTC; the machine's own until the store was reached for the first time."""
        if self._read is None:
            return super().now()
        moment, read_at = self._read
        return moment + timedelta(seconds=self.monotonic() - read_at)

    def read(self, moment: datetime) -> None:
        """Take note of what the store's clock shows now."""
        self._read = moment.astimezone(UTC), self.monotonic()
