"""Puts committed announcements on the wire: in order within a run, and generations in order."""

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from domain.announcement import Announcement
from domain.errors import LaurelError, NeverRetry, TryLater
from domain.events import ModelPromoted
from domain.points import NO_POINTS, Point, Points
from domain.ports.clock import Clock
from domain.ports.messages import Outbox, OutboxRow
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy

_RETRIES: Final = RetryPolicy(first_pause=0.2, longest_pause=3.0)
_ROWS: Final = 100
_SIDE_BY_SIDE: Final = 8

log = structlog.get_logger("laurel.relay")


class Publisher(Protocol):
    """What the relay sends through."""

    async def publish(self, announcement: Announcement) -> None:
        """Return once it is acknowledged. Raises TryLater, NeverRetry `event_too_large`."""


class OutboxRelay:
    """The one process that holds the relay's lock sends; the others stand by to take over.

    A row is marked sent only after the acknowledgement, so a crash in between repeats it, equal byte by byte.
    A row waits for the acknowledgement of the row before it in its run, and a promotion for the promotion
    before it; different runs go side by side.
    """

    def __init__(
        self,
        outbox: Outbox,
        publisher: Publisher,
        *,
        metrics: Metrics,
        clock: Clock,
        points: Points = NO_POINTS,
        retries: RetryPolicy = _RETRIES,
        idle_seconds: float = 1.0,
        hold_seconds: float = 3.0,  # the store takes the lock from a relay that is silent for a while
    ) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._metrics = metrics
        self._clock = clock
        self._points = points
        self._retries = retries
        self._idle_seconds = idle_seconds
        self._hold_seconds = hold_seconds
        self._slots = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self) -> None:
        """Send until cancelled; wait while Kafka or the store is away."""
        failures = 0
        while True:
            try:
                well = await self.turn()
            except TryLater as error:
                log.warning("relay_waits", reason=error.reason, message=error.message)
                well = False
            failures = 0 if well else failures + 1
            if failures:
                await self._clock.sleep(self._retries.pause_after(failures))

    async def turn(self) -> bool:
        """Send what is there now, or wait a while for it. False when something could not be sent."""
        relay = await self._outbox.try_to_be_the_relay()
        self._metrics.set("laurel_relay", float(relay))
        rows = await self._outbox.unsent(_ROWS) if relay else ()
        if not rows:
            await self._outbox.wait_for_rows(self._idle_seconds)
            return True
        all_sent = await self._send_and_stay(rows)
        age = 0.0 if all_sent and len(rows) < _ROWS else await self._outbox.oldest_age_seconds()
        self._metrics.set("laurel_outbox_age_seconds", age)
        return all_sent

    async def _send_and_stay(self, rows: Sequence[OutboxRow]) -> bool:
        """Send the rows, and go on being the relay while Kafka takes its time."""
        sending = asyncio.create_task(self._send(rows))
        try:
            while not (await asyncio.wait({sending}, timeout=self._hold_seconds))[0]:
                await self._outbox.try_to_be_the_relay()
            return await sending
        finally:
            sending.cancel()
            await asyncio.wait({sending})

    async def _send(self, rows: Sequence[OutboxRow]) -> bool:
        last: dict[str, asyncio.Task[bool]] = {}
        async with asyncio.TaskGroup() as side_by_side:
            for row in rows:
                lanes = _lanes(row)
                before = [last[lane] for lane in lanes if lane in last]
                task = side_by_side.create_task(self._send_after(before, row))
                last.update(dict.fromkeys(lanes, task))
        return all(task.result() for task in last.values())

    async def _send_after(self, before: Sequence[asyncio.Task[bool]], row: OutboxRow) -> bool:
        """True when the row and all that had to go before it are sent."""
        for earlier in before:
            if not await earlier:
                return False
        async with self._slots:
            try:
                await self._send_row(row)
            except (TryLater, NeverRetry) as error:
                self._tell(row, error)
                return False
        return True

    async def _send_row(self, row: OutboxRow) -> None:
        await self._points.at(Point.RELAY_BEFORE_SEND)
        await self._publisher.publish(row.announcement)
        await self._points.at(Point.RELAY_AFTER_SEND)
        await self._outbox.mark_sent([row.seq])
        await self._points.at(Point.RELAY_AFTER_MARK)
        event = row.announcement
        log.info("event_sent", topic=event.topic, event_id=event.event_id, run_id=row.run_id)
        self._metrics.count("laurel_events_sent_total", topic=event.topic)

    def _tell(self, row: OutboxRow, error: LaurelError) -> None:
        event = row.announcement
        say = log.error if isinstance(error, NeverRetry) else log.warning
        say("event_waits", topic=event.topic, event_id=event.event_id, reason=error.reason, why=error.message)
        self._metrics.count("laurel_event_failures_total", reason=error.reason)


def _lanes(row: OutboxRow) -> tuple[str, ...]:
    """Within which sequences the row has its place: its run's, and that of all generations."""
    promotions = (f"topic {row.announcement.topic}",)
    if row.run_id is None:
        return promotions
    run = (f"run {row.run_id}",)
    return run + promotions if row.announcement.topic == ModelPromoted.topic else run
