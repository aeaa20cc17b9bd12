"""Tells every channel of an event, once: side by side, with bounded tries; none waits for another."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from domain.errors import TryLater
from domain.notices import Notice
from domain.ports.channels import Channel
from domain.ports.clock import Clock
from domain.ports.notices import Claim, Claimed, Notices
from service.metrics import Metrics
from service.patience import RetryPolicy

log = structlog.get_logger("laurel.notifier")

_LONGEST_PAUSE: Final = 60.0
_MARGIN: Final = 1.0


@dataclass(frozen=True)
class Bounds:
    """Tries of one channel for one message, seconds between them and of each; no try begins after `budget`.

    A channel that was given up gets one try for each message until it takes one: so the dead one costs the
    others little.
    """

    tries: int
    first_pause: float
    try_seconds: float
    budget: float

    def pause_after(self, tries: int) -> float:
        """Seconds to wait behind so many tries."""
        return self._pauses.pause_after(tries)

    @property
    def held_seconds(self) -> float:
        """How long a living process may be silent between two words about one message."""
        return self.try_seconds + self.pause_after(self.tries) + _MARGIN

    @property
    def _pauses(self) -> RetryPolicy:
        return RetryPolicy(first_pause=self.first_pause, longest_pause=max(self.first_pause, _LONGEST_PAUSE))


class NoticeSender:
    """`tell` is what the handler calls for each event."""

    def __init__(
        self,
        notices: Notices,
        channels: Sequence[Channel],
        clock: Clock,
        bounds: Bounds,
        metrics: Metrics,
    ) -> None:
        self._notices = notices
        self._channels = channels
        self._clock = clock
        self._bounds = bounds
        self._metrics = metrics
        self._given_up: set[str] = set()

    async def tell(self, notice: Notice) -> None:
        """Return once each channel has it, was given up, or had it before.

        Raises TryLater `notice_in_hand` while another process sends it, and what the store raises; by then
        every other channel has been told.
        """
        outcomes = await asyncio.gather(
            *(self._tell(channel, notice) for channel in self._channels), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _tell(self, channel: Channel, notice: Notice) -> None:
        claim = Claim(event_id=notice.event_id, channel=channel.name, claim_id=str(uuid.uuid4()))
        claimed = await self._notices.claim(claim, self._bounds.held_seconds)
        match claimed:
            case Claimed.MINE:
                await self._send(channel, notice, claim)
            case Claimed.IN_HAND:
                raise TryLater("notice_in_hand", f"{channel.name}: another notifier sends {notice.event_id}")
            case Claimed.UNCLEAR:
                log.warning("notice_unclear", channel=channel.name, event_id=notice.event_id)
                self._count(channel, notice, "unclear")
            case Claimed.DONE:
                self._count(channel, notice, "known")

    async def _send(self, channel: Channel, notice: Notice, claim: Claim) -> None:
        until = self._clock.monotonic() + self._bounds.budget
        most = 1 if channel.name in self._given_up else self._bounds.tries
        for number in range(1, most + 1):
            if await self._arrived(channel, notice, number):
                self._given_up.discard(channel.name)
                await self._notices.sent(claim)
                self._count(channel, notice, "sent")
                return
            if number == most or self._clock.monotonic() + self._bounds.pause_after(number) > until:
                break
            if not await self._again(claim, number):
                return
        await self._give_up(channel, notice, claim)

    async def _arrived(self, channel: Channel, notice: Notice, number: int) -> bool:
        try:
            await channel.send(notice)
        except TryLater as error:
            log.warning(
                "notice_not_taken",
                channel=channel.name,
                event_id=notice.event_id,
                number=number,
                reason=error.reason,
                message=error.message,
            )
            return False
        return True

    async def _again(self, claim: Claim, number: int) -> bool:
        """Pause, and begin another try unless the claim was lost meanwhile."""
        try:
            await self._clock.sleep(self._bounds.pause_after(number))
        except asyncio.CancelledError:
            await self._notices.release(claim)
            raise
        return await self._notices.again(claim)

    async def _give_up(self, channel: Channel, notice: Notice, claim: Claim) -> None:
        self._given_up.add(channel.name)
        await self._notices.given_up(claim)
        log.error("notice_given_up", channel=channel.name, event_id=notice.event_id, subject=notice.subject)
        self._count(channel, notice, "given_up")

    def _count(self, channel: Channel, notice: Notice, outcome: str) -> None:
        self._metrics.count(
            "laurel_notices_total", subject=notice.subject, channel=channel.name, outcome=outcome
        )
