"""Between the consumer and a handler: the exact commit, and a partition that waits alone."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from domain.errors import LaurelError, Stop
from domain.points import NO_POINTS, Point, Points
from handlers.handled import Handled
from handlers.router import Handle
from service.adapters.kafka.foreign import as_record
from service.metrics import Metrics
from service.patience import RetryPolicy

RETRIES: Final = RetryPolicy(first_pause=0.2, longest_pause=5.0)
_COMMIT_SECONDS: Final = 10.0
_WARNED_OF: Final = frozenset({"dead_lettered", "unreadable"})

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


class KafkaDelivery:
    """Calls the handler of a record and commits `offset + 1` of its partition, or lets the partition wait.

    After a transient fault the partition is paused and read again from the same record later, with growing
    pauses and without end: nothing is skipped, other partitions go on and heartbeats do too.
    """

    def __init__(
        self,
        *,
        metrics: Metrics,
        points: Points = NO_POINTS,
        after_commit: Point | None = None,
        retries: RetryPolicy = RETRIES,
        on_stop: Callable[[Stop], None] = lambda _: None,
    ) -> None:
        self.listener = Epochs()
        self.on_stop = on_stop
        self._metrics = metrics
        self._points = points
        self._after_commit = after_commit
        self._retries = retries
        self._failed: dict[TopicPartition, tuple[int, int]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._committing = asyncio.Lock()

    async def deliver(self, consumer: AIOKafkaConsumer, raw: ConsumerRecord, handle: Handle) -> None:
        """Handle one record to its end."""
        place, epoch = TopicPartition(raw.topic, raw.partition), self.listener.now
        try:
            handled = await handle(as_record(raw))
        except Stop as error:
            _hold(consumer, place, raw.offset)
            self.on_stop(error)
        except LaurelError as error:
            self._wait(consumer, place, raw.offset, error.reason, error.message)
        except Exception as defect:
            log.exception("handler_failed", topic=raw.topic, partition=raw.partition, offset=raw.offset)
            self._wait(consumer, place, raw.offset, "internal_error", type(defect).__name__)
        else:
            self._failed.pop(place, None)
            self._tell(raw, handled)
            await self._commit(consumer, place, raw.offset, epoch)

    async def pass_over(self, consumer: AIOKafkaConsumer, place: TopicPartition, position: int) -> None:
        """Commit a position before which nothing is left to handle: the marks of transactions stand there.

        Without that they would look like records that nobody read, once they are deleted.
        """
        async with self._committing:
            if self._committed.get(place, -1) >= position:
                return
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await consumer.commit({place: position})
            except (KafkaError, TimeoutError):
                return  # the next look does it
            self._committed[place] = position

    def _tell(self, raw: ConsumerRecord, handled: Handled) -> None:
        say = log.warning if handled.outcome in _WARNED_OF else log.info
        say(
            f"record_{handled.outcome}",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            **handled.facts,
        )
        self._metrics.count("laurel_records_total", topic=raw.topic, outcome=handled.outcome)
        if handled.outcome == "unreadable":
            self._metrics.count("laurel_records_unreadable_total", topic=raw.topic)

    async def _commit(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, epoch: int
    ) -> None:
        async with self._committing:
            if not await self._committed_surely(consumer, place, offset, epoch):
                return
            self._committed[place] = offset + 1
        if self._after_commit is not None:
            await self._points.at(self._after_commit)

    async def _committed_surely(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, epoch: int
    ) -> bool:
        """Try until it is certain, or a rebalance began: the record then comes again, here or elsewhere."""
        for pause in self._retries.pauses():
            if self.listener.now != epoch:
                log.info("commit_left_out", partition=place.partition, offset=offset, why="a rebalance began")
                return False
            try:
                async with asyncio.timeout(_COMMIT_SECONDS):
                    await consumer.commit({place: offset + 1})
            except (CommitFailedError, IllegalStateError) as error:
                log.info("commit_refused", partition=place.partition, offset=offset, why=str(error))
                return False
            except (KafkaError, TimeoutError) as error:
                log.warning(
                    "commit_waits", partition=place.partition, offset=offset, why=type(error).__name__
                )
                await asyncio.sleep(pause)
            else:
                return True
        return False

    def _wait(
        self, consumer: AIOKafkaConsumer, place: TopicPartition, offset: int, reason: str, message: str
    ) -> None:
        before, failures = self._failed.get(place, (offset, 0))
        failures = failures + 1 if before == offset else 1
        self._failed[place] = (offset, failures)
        pause = self._retries.pause_after(failures)
        log.warning(
            "record_waits",
            topic=place.topic,
            partition=place.partition,
            offset=offset,
            reason=reason,
            message=message,
            seconds=pause,
        )
        self._metrics.count("laurel_record_waits_total", topic=place.topic)
        if _hold(consumer, place, offset):
            asyncio.get_running_loop().call_later(pause, _resume, consumer, place)


def _hold(consumer: AIOKafkaConsumer, place: TopicPartition, offset: int) -> bool:
    """Let a partition wait before a record, so that no position after it is committed.

    False if another member has the partition by now: it reads on from the committed offset.
    """
    try:
        consumer.pause(place)
        consumer.seek(place, offset)
    except IllegalStateError:
        return False
    return True


def _resume(consumer: AIOKafkaConsumer, place: TopicPartition) -> None:
    if place in consumer.assignment():
        consumer.resume(place)
