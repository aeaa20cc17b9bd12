"""Announcements that are committed and not yet on the wire, and records that cannot be read.

A dead letter is set aside whole, so that nothing is lost and the rest goes on.
"""

from collections.abc import Sequence
from typing import Protocol

from domain.announcement import Announcement
from domain.record import Record, Unreadable
from domain.values import Value


class OutboxRow(Value):
    """One announcement in the order of its commit; `run_id` is None for a generation without a run."""

    seq: int
    run_id: str | None
    announcement: Announcement


class ToldEvents(Protocol):
    """What was ever added. Raises TryLater when the store does not answer."""

    async def told(self, event_ids: Sequence[str]) -> Sequence[Announcement]:
        """Those of these events that were ever added, sent or not, in the order of their commits."""


class Outbox(ToldEvents, Protocol):
    """The outbox. Raises TryLater when the store does not answer."""

    async def unsent(self, limit: int) -> Sequence[OutboxRow]:
        """The oldest rows that are not marked sent."""

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Mark rows as acknowledged by Kafka. Safe to repeat."""

    async def try_to_be_the_relay(self) -> bool:
        """Become the one process that sends, or learn that another one is. Held until it dies or closes."""

    async def wait_for_rows(self, timeout_seconds: float) -> None:
        """Return when a row was committed, or when the time is over."""

    async def add(self, announcement: Announcement) -> None:
        """Add one that belongs to no run's transition (a listener's report). Safe to repeat by event id."""

    async def oldest_age_seconds(self) -> float:
        """How long the oldest unsent row has waited; 0 when none waits."""

    async def close(self) -> None:
        """Let another process be the relay at once. Safe to repeat."""


Letter = tuple[Record, Unreadable]


class DeadLetters(Protocol):
    """The dead-letter desk."""

    async def add(self, letters: Sequence[Letter]) -> None:
        """Keep each record's bytes, headers and coordinates with the reason; return once that is certain.

        Safe to repeat: a second dead letter for the same coordinates says the same. Raises TryLater
        `dead_letters_unavailable` with `waiting_on="kafka"`; some of them may be kept then.
        """
