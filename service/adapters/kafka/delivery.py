"""Between the consumer and a handler: the exact commit, and a partition that waits alone.

Commits are certain, never across a rebalance, never back.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from domain.errors import LaurelError, Stop
from domain.points import NO_POINTS, Point, Points
from domain.ports.messages import Letter
from domain.record import Record
from handlers.handled import Handle, RecordOutcome
from service.adapters.kafka.bad_records import Bad, BadRecords
from service.adapters.kafka.consumers import Consumer
from service.adapters.kafka.foreign import as_record
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy

_COMMIT_SECONDS: Final = 10.0

log = structlog.get_logger("laurel.inbox")


class Epochs(ConsumerRebalanceListener):  # type: ignore[misc] # the library ships no types
    """Counts the assignments: what was read under an older one may not be committed under a newer one."""

    def __init__(self) -> None:
        self.now = 0

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - the library's signature
        """A rebalance begins: partitions may be another's afterwards, and further on."""
        self.now += 1

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Nothing changes by what is assigned."""


class Commits:
    """Commits positions before which every record is dealt with."""

    def __init__(self, epochs: Epochs, retries: RetryPolicy) -> None:
        self._epochs = epochs
        self._retries = retries
        self._committed: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()

    def reached(self, place: TopicPartition) -> int | None:
        """The position that was committed last; None before the first."""
        return self._committed.get(place)

    def forget(self, place: TopicPartition) -> None:
        """The partition starts over."""
        self._committed.pop(place, None)

    async def commit(self, consumer: Consumer, place: TopicPartition, position: int, epoch: int) -> bool:
        """Try until it is certain, or a rebalance began: the records then come again, here or elsewhere."""
        async with self._committing:
            for pause in self._retries.pauses():
                if self._epochs.now != epoch:
                    _say("commit_left_out", place, position, "a rebalance began")
                    return False
                try:
                    async with asyncio.timeout(_COMMIT_SECONDS):
                        await consumer.commit({place: position})
                except (CommitFailedError, IllegalStateError) as error:
                    _say("commit_refused", place, position, str(error))
                    return False
                except (KafkaError, TimeoutError) as error:
                    _say("commit_waits", place, position, type(error).__name__)
                    await asyncio.sleep(pause)
                else:
                    self._committed[place] = position
                    return True
        return False

    async def pass_over(self, consumer: Consumer, place: TopicPartition, position: int) -> None:
        """Commit it unless that was done; the next look does what fails."""
        async with self._committing:
            if self._committed.get(place, -1) >= position:
                return
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await consumer.commit({place: position})
            except (KafkaError, TimeoutError):
                return
            self._committed[place] = position


def _say(what: str, place: TopicPartition, position: int, why: str) -> None:
    say = log.warning if what == "commit_waits" else log.info
    say(what, partition=place.partition, offset=position - 1, why=why)


RETRIES: Final = RetryPolicy(first_pause=0.2, longest_pause=5.0)
_WARNED_OF: Final = frozenset({"dead_lettered", "unreadable"})
_TURN_SECONDS: Final = 5.0  # well below the shortest pause between two polls

Keep = Callable[[Sequence[Letter]], Awaitable[None]]
_Waits = Callable[[], object]


async def kept_nowhere(letters: Sequence[Letter]) -> None:
    """On a topic of our own a record that says nothing is told of, and that is all."""


class KafkaDelivery:
    """Calls the handler of each record and commits once for all, or lets the partition wait.

    After a transient fault the partition is paused and read again from the same record later, with growing
    pauses and without end: nothing is skipped, other partitions go on and heartbeats do too.

    Bad records are handed to `keep` together; the position moves past them once that is done.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        keep: Keep = kept_nowhere,
        points: Points = NO_POINTS,
        after_commit: Point | None = None,
        retries: RetryPolicy = RETRIES,
        on_stop: Callable[[Stop], None] = lambda _: None,
    ) -> None:
        self.listener = Epochs()
        self.on_stop = on_stop
        self._metrics = metrics
        self._keep = keep
        self._points = points
        self._after_commit = after_commit
        self._retries = retries
        self.commits = Commits(self.listener, retries)
        self.next_tries: dict[TopicPartition, float] = {}  # when a record that waits is tried again
        self._failed: dict[TopicPartition, tuple[int, int]] = {}
        self._bad: dict[TopicPartition, BadRecords] = {}

    async def deliver(self, consumer: Consumer, turn: Sequence[ConsumerRecord], handle: Handle) -> None:
        """Handle the next records of one partition to their end, and commit them."""
        place, epoch = TopicPartition(turn[0].topic, turn[0].partition), self.listener.now
        bad = self._bad_records(place, epoch, turn[0].offset)
        waits = await self._handle_all(consumer, place, turn, handle, bad)
        due = bad.take_due()
        try:
            await self._set_aside(due)
        except Exception as fault:  # noqa: BLE001 - whatever it is, the records come again
            bad.undo()
            self._again(consumer, place, turn[0].offset, fault)
            return
        if waits is not None:
            waits()
        if bad.safe > turn[0].offset and await self.commits.commit(consumer, place, bad.safe, epoch):
            await self._committed()

    async def pass_over(self, consumer: Consumer, place: TopicPartition, position: int) -> None:
        """Commit a position before which nothing is left to handle: the marks of transactions stand there.

        Without that they would look like records that nobody read, once they are deleted.
        """
        bad = self._bad.get(place)
        if bad is None or bad.is_settled:
            await self.commits.pass_over(consumer, place, position)

    def _bad_records(self, place: TopicPartition, epoch: int, offset: int) -> BadRecords:
        bad = self._bad.get(place)
        if bad is None or not bad.goes_on(epoch, offset):
            bad = self._bad[place] = BadRecords(epoch, offset)
        bad.begin(offset)
        return bad

    async def _handle_all(
        self,
        consumer: Consumer,
        place: TopicPartition,
        turn: Sequence[ConsumerRecord],
        handle: Handle,
        bad: BadRecords,
    ) -> _Waits | None:
        """Handle one after the other; say how the partition waits if one of them has to come again."""
        until = time.monotonic() + _TURN_SECONDS
        for raw in turn:
            if time.monotonic() > until:
                return partial(_seek, consumer, place, raw.offset)
            record, batch_end = as_record(raw), consumer.batch_end(place, raw.offset)
            try:
                handled = await handle(record)
            except Exception as fault:  # noqa: BLE001 - whatever it is, the record comes again
                return partial(self._again, consumer, place, raw.offset, fault)
            self._failed.pop(place, None)
            if handled.why is None:
                bad.passed(raw.offset, batch_end)
                self._tell(record, handled.outcome, 1, handled.facts)
            else:
                bad.add(Bad(record, handled.why, handled.outcome), batch_end)
        return None

    async def _set_aside(self, due: Sequence[Bad]) -> None:
        """Keep them all. Raises what says that this is not certain."""
        if not due:
            return
        await self._points.at(Point.DEADLETTER_BEFORE_SEND)
        await self._keep([(one.record, one.why) for one in due])
        await self._points.at(Point.DEADLETTER_AFTER_SEND)
        for one in due:
            self._tell(one.record, one.outcome, one.count, one.facts)

    def _tell(self, record: Record, outcome: RecordOutcome, count: int, facts: Mapping[str, Any]) -> None:
        place = record.coordinates
        say = log.warning if outcome in _WARNED_OF else log.info
        say(f"record_{outcome}", topic=place.topic, partition=place.partition, offset=place.offset, **facts)
        self._metrics.count("laurel_records_total", count, topic=place.topic, outcome=outcome)
        if outcome == "unreadable":
            self._metrics.count("laurel_records_unreadable_total", count, topic=place.topic)

    async def _committed(self) -> None:
        if self._after_commit is not None:
            await self._points.at(self._after_commit)

    def _again(self, consumer: Consumer, place: TopicPartition, offset: int, fault: Exception) -> None:
        if isinstance(fault, Stop):
            _hold(consumer, place, offset)
            self.on_stop(fault)
        else:
            self._wait(consumer, place, offset, fault)

    def _wait(self, consumer: Consumer, place: TopicPartition, offset: int, fault: Exception) -> None:
        before, failures = self._failed.get(place, (offset, 0))
        failures = failures + 1 if before == offset else 1
        self._failed[place] = (offset, failures)
        pause = self._retries.pause_after(failures)
        self.next_tries[place] = time.monotonic() + pause
        where = {"topic": place.topic, "partition": place.partition, "offset": offset}
        log.warning("record_waits", **where, **_told_of(fault), seconds=pause)
        self._metrics.count("laurel_record_waits_total", topic=place.topic)
        if _hold(consumer, place, offset):
            asyncio.get_running_loop().call_later(pause, _resume, consumer, place)


def _told_of(fault: Exception) -> dict[str, str]:
    if isinstance(fault, LaurelError):
        return {"reason": fault.reason, "message": fault.message}
    log.error("handler_failed", exc_info=fault)
    return {"reason": "internal_error", "message": type(fault).__name__}


def _hold(consumer: Consumer, place: TopicPartition, offset: int) -> bool:
    """Let a partition wait before a record, so that no position after it is committed.

    False if another member has the partition by now: it reads on from the committed offset.
    """
    try:
        consumer.pause(place)
    except IllegalStateError:
        return False
    return _seek(consumer, place, offset)


def _seek(consumer: Consumer, place: TopicPartition, offset: int) -> bool:
    try:
        consumer.seek(place, offset)
    except IllegalStateError:
        return False
    return True


def _resume(consumer: Consumer, place: TopicPartition) -> None:
    if place in consumer.assignment():
        consumer.resume(place)
