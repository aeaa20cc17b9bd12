"""A dead-letter desk in memory."""

from collections.abc import Sequence

from domain.errors import TryLater
from domain.ports.messages import Letter


class FakeDeadLetters:
    """Port `DeadLetters`; `away` makes it answer as a desk whose brokers are gone does."""

    def __init__(self) -> None:
        self.kept: list[Letter] = []
        self.away = False

    async def add(self, letters: Sequence[Letter]) -> None:
        """Keep them."""
        if self.away:
            raise TryLater("dead_letters_unavailable", "the desk is away", waiting_on="kafka")
        self.kept.extend(letters)

    @property
    def reasons(self) -> list[str]:
        """Why each was set aside."""
        return [why.reason for _, why in self.kept]
