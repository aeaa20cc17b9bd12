"""What of the past may go: rows of ended runs that nobody reads any more, and that others keep as well."""

from datetime import timedelta
from typing import Protocol

from domain.values import Value


class Pruned(Value):
    """What went, or would go: rows of so many runs, and the bytes of their texts as they are stored."""

    runs: int = 0
    rows: int = 0
    bytes: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        """Both together."""
        return Pruned(
            runs=self.runs + other.runs, rows=self.rows + other.rows, bytes=self.bytes + other.bytes
        )


class Pruning(Protocol):
    """Prunes one model, in batches that each commit; ages are by the database's clock.

    Safe to repeat, and beside other workers. `dry_run` counts and changes nothing. Raises TryLater.
    """

    async def events(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        """Announcements of ended runs that Kafka acknowledged so long ago.

        A generation's own, and those that belong to no run, stay.
        """

    async def outputs(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        """What the steps of runs left that ended so long ago without a promotion, but for their verdicts.

        Runs that a generation names stay whole, as do those whose pictures or status are not done.
        """
