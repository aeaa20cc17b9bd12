"""How many rows the master has, for those who cannot see it."""

from typing import Protocol


class MasterRows(Protocol):
    """The count of one model's master. Raises TryLater when the database does not answer."""

    async def record(self, rows: int) -> None:
        """Keep what the master's footer says, in the place of what it said before. Safe to repeat."""
