"""Where a record goes that cannot be read: set aside whole, so that nothing is lost and the rest goes on."""

from collections.abc import Sequence
from typing import Protocol

from domain.record import Record, Unreadable

Letter = tuple[Record, Unreadable]


class DeadLetters(Protocol):
    """The dead-letter desk."""

    async def add(self, letters: Sequence[Letter]) -> None:
        """Keep each record's bytes, headers and coordinates with the reason; return once that is certain.

        Safe to repeat: a second dead letter for the same coordinates says the same. Raises TryLater
        `dead_letters_unavailable` with `waiting_on="kafka"`; some of them may be kept then.
        """
