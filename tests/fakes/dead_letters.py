"""A dead-letter desk in memory."""

from domain.errors import TryLater
from domain.record import Record, Unreadable


class FakeDeadLetters:
    """Port `DeadLetters`; `away` makes it answer as a desk whose brokers are gone does."""

    def __init__(self) -> None:
        self.kept: list[tuple[Record, Unreadable]] = []
        self.away = False

    async def add(self, record: Record, why: Unreadable) -> None:
        """Keep it."""
        if self.away:
            raise TryLater("dead_letters_unavailable", "the desk is away", waiting_on="kafka")
        self.kept.append((record, why))

    @property
    def reasons(self) -> list[str]:
        """Why each was set aside."""
        return [why.reason for _, why in self.kept]
