"""The machine's clock."""

import asyncio
import time
from datetime import UTC, datetime


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
