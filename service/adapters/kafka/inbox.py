"""Consumes one topic through FastStream for as long as the process lives, and is never alive and deaf.

A member of a group that reads no partition says so.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Sequence
from typing import Any, Final

import structlog
from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol
from aiokafka.errors import KafkaError
from faststream.kafka import KafkaBroker, KafkaRouter

from domain.errors import Stop, TryLater
from service.adapters.kafka.connection import UNPACKED_BYTES, KafkaConnection
from service.adapters.kafka.delivery import KafkaDelivery
from service.adapters.kafka.errors import DENIED, kafka_errors, sort
from service.adapters.kafka.partition_watch import WATCH_TIMES, PartitionWatch, TurnConsumer, WatchTimes
from service.adapters.kafka.topic_provisioning import admin_client, partitions_of
from service.runtime.metrics import CounterName, Metrics
from service.runtime.retry import RetryPolicy

_STABLE: Final = "Stable"


async def refuse_free_partitions(connection: KafkaConnection, group: str, topics: Collection[str]) -> None:
    """Raise TryLater if partitions of these topics are there, or none at all, that nobody in the group reads.

    A member without a partition is fine where others read them all.
    """
    places = await partitions_of(connection, topics)
    missing = sorted(set(topics) - {place.topic for place in places})
    if missing:
        raise _not_reading(f"there is no topic {', '.join(missing)}")
    free = set(places) - await _read_by(connection, group)
    if free:
        first = min(free)
        raise _not_reading(f"{len(free)} are free, the first is {first.topic}/{first.partition}")


def _not_reading(why: str) -> TryLater:
    message = f"no partition is assigned to this consumer, and {why}"
    return TryLater("kafka_unavailable", message, waiting_on="kafka")


async def _read_by(connection: KafkaConnection, group: str) -> set[TopicPartition]:
    async with admin_client(connection, "asking for the members of a group") as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    ((_, _, state, _, _, members, *_),) = answer.groups
    if state != _STABLE:
        raise _not_reading(f"its group is in state {state!r}")
    return {place for member in members for place in _assigned(member[-1])}


def _assigned(assignment: bytes) -> Any:
    return ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions() if assignment else ()


_RESTARTS: Final = RetryPolicy(first_pause=0.5, longest_pause=10.0)
_SETTLED_SECONDS: Final = 60.0  # a consumer that lived that long was well
_GRACE_SECONDS: Final = 5.0
# Counters that an alert looks at are there before their first fault: else nobody sees them grow.
_FROM_THE_START: Final[Sequence[CounterName]] = (
    "laurel_records_lost_total",
    "laurel_records_unreadable_total",
    "laurel_record_waits_total",
)

log = structlog.get_logger("laurel.inbox")


class _Broker(KafkaBroker):
    """FastStream's broker with consumers that `build` makes; it has no producer and no admin client."""

    def __init__(self, build: Any, router: KafkaRouter) -> None:
        # FastStream tells of each record, and we do so in one line of our own.
        quiet = logging.getLogger("laurel.faststream")
        quiet.setLevel(logging.ERROR)
        super().__init__(
            consumer_only=True,
            allow_auto_create_topics=False,
            apply_types=False,
            graceful_timeout=_GRACE_SECONDS,
            logger=quiet,
            routers=(router,),
        )
        self._build = build

    async def _connect(self) -> Any:
        connection = await super()._connect()
        self.config.broker_config.builder = self._build
        return connection


class KafkaInbox:
    """Brings the records of one topic to their handler.

    The library leaves a consumer whose loop, coordinator or fetcher has died running and deaf: `run` watches
    these tasks and restarts the consumer. Whatever was not committed then comes again.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        router: KafkaRouter,
        delivery: KafkaDelivery,
        *,
        metrics: Metrics,
        unpacked_bytes: int = UNPACKED_BYTES,
        times: WatchTimes = WATCH_TIMES,
    ) -> None:
        self.started = asyncio.Event()
        self._connection = connection
        self._metrics = metrics
        self._delivery = delivery
        self._unpacked_bytes = unpacked_bytes
        self._times = times
        self._watch: PartitionWatch | None = None
        self._watching: asyncio.Task[None] | None = None
        self._broker = _Broker(self._consumer, router)
        self._fatal: asyncio.Future[None] | None = None
        self._alarms: set[asyncio.Task[None]] = set()
        delivery.on_stop = self._stop_for
        for topic in self._subscriber.topic_names:
            for name in _FROM_THE_START:
                metrics.count(name, 0, topic=topic)

    async def run(self) -> None:
        """Consume until cancelled. Raises Stop when the brokers deny it, or a handler says so."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                await self._broker.start()
                self._watch = self._new_watch()
                self._watching = asyncio.create_task(self._watch.run(), name="partition watch")
                self.started.set()
                why = await self._until_something_dies()
                log.error("consumer_died", what=why)
            except DENIED as error:
                raise sort(error, "consuming") from error
            except (KafkaError, OSError) as error:
                log.warning("consumer_not_started", why=str(error), waiting_on="kafka")
            finally:
                self.started.clear()
                await self._stop()
            failures = 1 if time.monotonic() - began > _SETTLED_SECONDS else failures + 1
            self._metrics.count("laurel_consumer_restarts_total")
            await asyncio.sleep(_RESTARTS.pause_after(failures))

    async def _stop(self) -> None:
        """Stop the consumer; one whose tasks have died may refuse, and is then cut off."""
        consumer = self._subscriber.consumer
        if self._watching is not None:
            self._watching.cancel()
            (ended,) = await asyncio.gather(self._watching, return_exceptions=True)
            if isinstance(ended, Exception):
                log.error("partition_watch_failed", why=repr(ended))
        try:
            async with asyncio.timeout(2 * _GRACE_SECONDS):
                await self._broker.stop()
        except (ExceptionGroup, TimeoutError) as error:
            log.warning("consumer_cut_off", why=repr(error))
            if consumer is not None:
                await consumer._client.close()  # noqa: SLF001 - its own stop() has not come that far

    def alive(self) -> bool:
        """True while all that the consumer is made of works; also while it waits for the brokers."""
        if not self.started.is_set():
            return True
        deaf = self._watch is not None and self._watch.is_deaf
        return not deaf and not any(task.done() for task in self._vital().values())

    async def ping(self) -> None:
        """Raise TryLater unless the consumer is in its group, reads what is free, and the brokers answer."""
        consumer, subscriber = self._subscriber.consumer, self._subscriber
        if not self.started.is_set() or consumer is None:
            raise TryLater("kafka_unavailable", "the consumer has not joined its group", waiting_on="kafka")
        async with kafka_errors("asking for topics", within=5):
            await consumer.topics()
        if not consumer.assignment():
            await refuse_free_partitions(self._connection, subscriber.group_id, subscriber.topic_names)

    @property
    def _subscriber(self) -> Any:
        return self._broker.subscribers[0]

    def _vital(self) -> dict[str, asyncio.Future[Any]]:
        consumer = self._subscriber.consumer
        if consumer is None or not self._subscriber.tasks or self._watching is None:
            return {}
        return {
            "consume loop": self._subscriber.tasks[0],
            "coordinator": consumer._coordinator._coordination_task,  # noqa: SLF001 - has no public name
            "fetcher": consumer._fetcher.error_future,  # noqa: SLF001 - likewise
            "partition watch": self._watching,
        }

    async def _until_something_dies(self) -> str:
        self._fatal = asyncio.get_running_loop().create_future()
        vital = self._vital()
        await asyncio.wait({*vital.values(), self._fatal}, return_when=asyncio.FIRST_COMPLETED)
        if self._fatal.done():
            self._fatal.result()
        return ", ".join(name for name, task in vital.items() if task.done())

    def _stop_for(self, error: Stop) -> None:
        if self._fatal is not None and not self._fatal.done():
            self._fatal.set_exception(error)

    def _consumer(self, **options: Any) -> Any:
        bounds = {"unpacked_bytes": self._unpacked_bytes, "lost": self._lost}
        return TurnConsumer.make(self._connection, **options | bounds)

    def _new_watch(self) -> PartitionWatch:
        subscriber = self._subscriber
        return PartitionWatch(
            subscriber.consumer, self._delivery, self._metrics, subscriber.topic_names, self._times
        )

    def _lost(self, place: TopicPartition, offset: int) -> None:
        alarm = asyncio.get_running_loop().create_task(self._alarm(place, offset))
        self._alarms.add(alarm)
        alarm.add_done_callback(self._alarms.discard)

    async def _alarm(self, place: TopicPartition, offset: int) -> None:
        """Name what is gone: records that were deleted before anyone read them."""
        facts: dict[str, Any] = {"topic": place.topic, "partition": place.partition, "first": offset}
        try:
            async with kafka_errors("asking for the earliest offset", within=10):
                earliest = (await self._subscriber.consumer.beginning_offsets([place]))[place]
            facts |= {"last": earliest - 1, "reads_on_at": earliest}
        except TryLater as error:
            facts["why_unknown"] = error.message
        if facts.get("last", offset) < offset:
            log.warning("topic_made_again", topic=place.topic, partition=place.partition, position=offset)
            return
        log.error("records_lost", **facts)
        self._metrics.count("laurel_records_lost_total", topic=place.topic)
