"""Who was told of what, how people are reached, and what the gate said before."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from domain.notices import Notice
from domain.streaks import PastVerdict
from domain.values import Value


class NoticeClaim(Value):
    """One process's wish to tell one channel of one event; `claim_id` is the wish's own name."""

    event_id: str
    channel: str
    claim_id: str


class Claimed(StrEnum):
    """What a claim met."""

    MINE = "mine"  # nobody had it: send
    DONE = "done"  # it was sent, or given up
    IN_HAND = "in_hand"  # another process sends it now
    UNCLEAR = "unclear"  # another process began and was not heard of since: given up with this call


class Notices(Protocol):
    """Of one model. Only the claim that got `MINE` changes a row. Raises TryLater when there is no answer."""

    async def claim(self, claim: NoticeClaim, held_seconds: float) -> Claimed:
        """Begin the first try, unless somebody did.

        A process that began the latest try longer than `held_seconds` ago and has not said how it ended is
        taken for dead. Nobody knows if that message arrived, so it is never sent again.
        """

    async def again(self, claim: NoticeClaim) -> bool:
        """Begin another try; False when the claim is no longer held."""

    async def sent(self, claim: NoticeClaim) -> None:
        """The channel took it."""

    async def given_up(self, claim: NoticeClaim) -> None:
        """The channel did not take it, and will not be asked again."""

    async def release(self, claim: NoticeClaim) -> None:
        """Nothing is under way, and this process ends: let the next one start over."""


class Channel(Protocol):
    """`name` tells it from the others and holds nothing of its address, which may be a secret."""

    @property
    def name(self) -> str:
        """Such as `slack-3f2a9c`, the same in every process."""

    async def send(self, notice: Notice) -> None:
        """Send one message, cut to what the channel takes.

        Raises TryLater `channel_unavailable` when it was not taken in time; its fact `refused` is true when
        the channel answered.
        """


class PastVerdicts(Protocol):
    """Of one model. Raises TryLater when the database does not answer."""

    async def up_to(self, run_id: str, most: int) -> Sequence[PastVerdict]:
        """That run's verdict, then those before it, newest first; empty for a run that has none."""
