"""Who was told of what: one row for each event and channel, written before anything is sent."""

from enum import StrEnum
from typing import Protocol

from domain.values import Value


class Claim(Value):
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

    async def claim(self, claim: Claim, held_seconds: float) -> Claimed:
        """Begin the first try, unless somebody did.

        Whoever began the latest try longer than `held_seconds` ago and has not said how it ended is taken
        for dead. Nobody knows if that message arrived, so it is never sent again.
        """

    async def again(self, claim: Claim) -> bool:
        """Begin another try; False when the claim is no longer held."""

    async def sent(self, claim: Claim) -> None:
        """The channel took it."""

    async def given_up(self, claim: Claim) -> None:
        """The channel did not take it, and will not be asked again."""

    async def release(self, claim: Claim) -> None:
        """Nothing is under way, and this process ends: let the next one begin anew."""
