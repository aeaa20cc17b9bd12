"""Where a record goes that cannot be read: set aside whole, so that nothing is lost and the rest goes on."""

from typing import Protocol

from domain.record import Record, Unreadable


class DeadLetters(Protocol):
    """The dead-letter desk."""

    async def add(self, record: Record, why: Unreadable) -> None:
        """Keep the record's bytes, headers and coordinates with the reason; return once that is certain.

        Safe to repeat: a second dead letter for the same coordinates says the same. Raises TryLater
        `dead_letters_unavailable` with `waiting_on="kafka"`.
        """
