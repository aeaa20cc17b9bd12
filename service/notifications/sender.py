"""Tells every channel of an event, once: side by side, with bounded tries; none waits for another.

Verdicts that repeat themselves are counted from what the run store holds: no restart forgets the count.
"""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, product
from typing import Final

import structlog

from domain.errors import TryLater
from domain.events import Event, ModelDeclined
from domain.notice_subjects import SUBJECTS
from domain.notices import Forms, Notice, repeated_notice
from domain.ports.clock import Clock
from domain.ports.notices import Channel, Claimed, NoticeClaim, Notices, PastVerdicts
from domain.streaks import MOST, streak_at
from service.runtime.metric_series import NOTICE_OUTCOMES
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy

log = structlog.get_logger("laurel.notifier")

_LONGEST_PAUSE: Final = 60.0
_MARGIN: Final = 1.0


@dataclass(frozen=True)
class DeliveryLimits:
    """Tries of one channel for one message, seconds between them and of each; no try begins after `budget`.

    A channel that was given up gets one try for each message until it takes one: so the dead one costs the
    others little.
    """

    tries: int
    first_pause: float
    try_seconds: float
    budget: float

    def pause_after(self, tries: int) -> float:
        """Seconds to wait after so many tries."""
        return self._pauses.pause_after(tries)

    @property
    def held_seconds(self) -> float:
        """How long a living process may be silent between two words about one message."""
        return self.try_seconds + self.pause_after(self.tries) + _MARGIN

    @property
    def _pauses(self) -> RetryPolicy:
        return RetryPolicy(first_pause=self.first_pause, longest_pause=max(self.first_pause, _LONGEST_PAUSE))


def begin_series(metrics: Metrics, channels: Sequence[Channel]) -> None:
    """Have every outcome of every channel at 0, so that the first message that is given up is seen."""
    for channel, subject, outcome in product(channels, SUBJECTS, NOTICE_OUTCOMES):
        metrics.count("laurel_notices_total", 0, subject=subject, channel=channel.name, outcome=outcome)


class NoticeSender:
    """`tell` is what the handler calls for each event."""

    def __init__(
        self,
        notices: Notices,
        channels: Sequence[Channel],
        clock: Clock,
        bounds: DeliveryLimits,
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
        claim = NoticeClaim(event_id=notice.event_id, channel=channel.name, claim_id=str(uuid.uuid4()))
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

    async def _send(self, channel: Channel, notice: Notice, claim: NoticeClaim) -> None:
        until = self._clock.monotonic() + self._bounds.budget
        was_given_up = channel.name in self._given_up
        forms = Forms(notice, 1 if was_given_up else self._bounds.tries)
        form = forms.first
        for number in count(1):
            refused = await self._refused(channel, form, number)
            if refused is None:
                await self._note_sent(channel, notice, claim)
                return
            begins_last = until - self._bounds.pause_after(number + 1)
            following = forms.after(
                number,
                refused=refused and not was_given_up,
                last=self._begins(number) > begins_last,
            )
            if following is None or self._begins(number) > until:
                break
            if not await self._again(claim, number):
                return
            form = following
        await self._give_up(channel, notice, claim)

    def _begins(self, tries: int) -> float:
        """When the try after so many begins."""
        return self._clock.monotonic() + self._bounds.pause_after(tries)

    async def _note_sent(self, channel: Channel, notice: Notice, claim: NoticeClaim) -> None:
        self._given_up.discard(channel.name)
        await self._notices.sent(claim)
        self._count(channel, notice, "sent")

    async def _refused(self, channel: Channel, notice: Notice, number: int) -> bool | None:
        """Whether the channel said no, or nothing; None: it took the message."""
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
            return bool(error.facts.get("refused"))
        return None

    async def _again(self, claim: NoticeClaim, number: int) -> bool:
        """Pause, and begin another try unless the claim was lost meanwhile."""
        try:
            await self._clock.sleep(self._bounds.pause_after(number))
        except asyncio.CancelledError:
            await self._notices.release(claim)
            raise
        return await self._notices.again(claim)

    async def _give_up(self, channel: Channel, notice: Notice, claim: NoticeClaim) -> None:
        self._given_up.add(channel.name)
        await self._notices.given_up(claim)
        log.error("notice_given_up", channel=channel.name, event_id=notice.event_id, subject=notice.subject)
        self._count(channel, notice, "given_up")

    def _count(self, channel: Channel, notice: Notice, outcome: str) -> None:
        self._metrics.count(
            "laurel_notices_total", subject=notice.subject, channel=channel.name, outcome=outcome
        )


class RepeatedVerdicts:
    """Knows at which decline people are notified."""

    def __init__(self, past: PastVerdicts) -> None:
        self._past = past

    async def notice(self, event: Event, event_id: str) -> Notice | None:
        """The further message about an event; None for nearly all. Raises TryLater."""
        if not isinstance(event, ModelDeclined):
            return None
        kind = streak_at(await self._past.up_to(event.run_id, MOST))
        return None if kind is None else repeated_notice(event, event_id, kind)
