"""The requests that came in, and where each is now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.asked_request import Ask, AskedRequest, Claim
from domain.lifecycle import State
from domain.values import Value


class RequestFilter(Value):
    """Which requests to list. `states` empty: all. Times, inclusive, are of the asking, end and last change.

    A run that goes on has no end, and lies in no span of ends.
    """

    states: tuple[State, ...] = ()
    interfaces: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    updated_since: datetime | None = None
    updated_until: datetime | None = None
    newest_first: bool = True


class AskedRequests(Protocol):
    """The requests of one model. Each call raises TryLater when the database does not answer."""

    async def claim(self, ask: Ask) -> Claim | None:
        """Keep an ask under its id before it is sent, unless the id is known; say what is known of it.

        None when the id is that of another request's run: under it people look for that one.
        """

    async def left_unclear(self, ask: Ask, within_seconds: float, in_hand_seconds: float) -> str | None:
        """The id of an equal ask of the same caller whose answer was that nothing is known of it.

        One that nobody answered at all, and that is older than `in_hand_seconds`, counts as well.
        """

    async def note_unclear(self, request_id: str) -> None:
        """Keep that its caller cannot know: perhaps Kafka has the request. Safe to repeat."""

    async def acknowledge(self, request_id: str, unclear_at: datetime | None) -> None:
        """Keep that Kafka has the request; a repeat settles what it saw unclear. Safe to repeat."""

    async def get(self, request_id: str) -> AskedRequest | None:
        """Read one request, by the id that it got when it came in, or by its run's id."""

    async def page(
        self, wanted: RequestFilter, limit: int, offset: int
    ) -> tuple[Sequence[AskedRequest], int]:
        """Read so many requests after the first `offset`, and how many there are in all."""
