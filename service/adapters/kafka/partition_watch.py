"""A consumer whose partitions take turns, so that a full one holds up no other, and what is watched of each.

Some move on without a record; some stand still while they hold records that were not dealt with.
"""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import Consumer, Lost, consumer_options, guarded
from service.adapters.kafka.delivery import KafkaDelivery
from service.runtime.metrics import Metrics

_REPEAT_SECONDS: Final = 300.0

log = structlog.get_logger("laurel.inbox")


@dataclass
class _Still:
    """Since when nothing moved beyond a position, and when that was last told."""

    position: int | None
    since: float
    told: float | None = None


class Standstill:
    """Compares one look with the ones before; a partition that is read to its end stands still rightly."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._still: dict[TopicPartition, _Still] = {}
        self.is_dead = False

    def look(
        self,
        reached: Mapping[TopicPartition, int | None],
        ends: Mapping[TopicPartition, int],
        next_tries: Mapping[TopicPartition, float],
    ) -> None:
        """Say of each partition how far all is dealt with, where its records end, and when a try comes next.

        A record that waits for a service does not count: what it waits for is reported elsewhere.
        """
        now = time.monotonic()
        for place, position in reached.items():
            still = self._still.get(place)
            if still is None or still.position != position or ends.get(place, 0) <= (position or 0):
                self._still[place] = _Still(position, now)
        self._still = {place: still for place, still in self._still.items() if place in reached}
        dead = [place for place in reached if now - self._alive_at(place, next_tries) > self._limit]
        for place in dead:
            self._tell(place, ends.get(place, 0), now)
        self.is_dead = bool(dead)

    def forget(self) -> None:
        """Start over: nobody knows where the records end."""
        self._still.clear()
        self.is_dead = False

    def seconds(self, topic: str, places: Collection[TopicPartition]) -> float:
        """The longest standstill of a topic's partitions."""
        now = time.monotonic()
        since = (
            self._still[place].since for place in places if place.topic == topic and place in self._still
        )
        return max((now - one for one in since), default=0.0)

    def _alive_at(self, place: TopicPartition, next_tries: Mapping[TopicPartition, float]) -> float:
        return max(self._still[place].since, next_tries.get(place, 0.0))

    def _tell(self, place: TopicPartition, end: int, now: float) -> None:
        still = self._still[place]
        if still.told is not None and now - still.told < _REPEAT_SECONDS:
            return
        still.told = now
        log.error(
            "partition_stands_still",
            topic=place.topic,
            partition=place.partition,
            position=still.position,
            end=end,
            seconds=round(now - still.since, 1),
            message="it holds records that are not read, for an unknown reason; this process is not live",
        )


Found = dict[TopicPartition, Sequence[ConsumerRecord]]


class TurnConsumer(Consumer):
    """`waiting` is true while its reader waits for records, and so has dealt with all before them."""

    waiting = False
    _served: TopicPartition | None = None

    async def getmany(
        self,
        *partitions: TopicPartition,  # noqa: ARG002 - the library's signature; here each has its turn
        timeout_ms: int = 0,  # noqa: ARG002 - likewise; a turn is waited for
        max_records: int | None = None,
    ) -> Found:
        """Return the next records of one partition, at most so many, and wait until there are some.

        The library reads a fetched partition to its end before the next one; a turn later it goes on here.
        The position moves on in the same moment in which `waiting` ends.
        """
        self.waiting = True
        try:
            await asyncio.sleep(0)  # while records are here already, nobody else would run
            for place in self._in_turn():
                found: Found = await super().getmany(place, max_records=max_records)
                if found:
                    self._served = place
                    return found
            first = await super().getone()
            return {TopicPartition(first.topic, first.partition): [first]}
        finally:
            self.waiting = False

    @classmethod
    def make(
        cls,
        connection: KafkaConnection,
        *topics: str,
        unpacked_bytes: int,
        lost: Lost,
        **options: Any,
    ) -> "TurnConsumer":
        """Build one as `make_consumer` builds others."""
        return guarded(cls(*topics, **consumer_options(connection, options)), unpacked_bytes, lost)

    def _in_turn(self) -> Iterator[TopicPartition]:
        """All partitions, the one that was served last at the end."""
        places = sorted(self.assignment())
        after = next((n + 1 for n, place in enumerate(places) if place == self._served), 0)
        yield from places[after:] + places[:after]


_POSITION_SECONDS: Final = 1.0
_ENDS_SECONDS: Final = 5.0


@dataclass(frozen=True)
class WatchTimes:
    """In seconds: the pause between two looks, and how long a transaction may be open unnoticed.

    A transaction is short, or its producer has died: the broker ends it after the producer's
    `transaction.timeout.ms`, a minute by default.

    A partition with records that stands still for `standstill` without a reason means that this process is
    deaf.
    """

    look: float = 5.0
    open_transaction: float = 30.0
    standstill: float = 300.0


WATCH_TIMES: Final = WatchTimes()


@dataclass
class _HeldPartition:
    """Where an open transaction holds a partition up, since when, and when that was last told."""

    offset: int
    since: float
    told: float | None = None


class PartitionWatch:
    """Commits the positions that no record brings about, and tells of partitions that are held up."""

    def __init__(
        self,
        consumer: TurnConsumer,
        delivery: KafkaDelivery,
        metrics: Metrics,
        topics: Collection[str],
        times: WatchTimes = WATCH_TIMES,
    ) -> None:
        self._consumer = consumer
        self._delivery = delivery
        self._metrics = metrics
        self._topics = topics
        self._times = times
        self._held: dict[TopicPartition, _HeldPartition] = {}
        self._standstill = Standstill(times.standstill)

    @property
    def is_deaf(self) -> bool:
        """True while a partition stands still that holds records, and nothing says why."""
        return self._standstill.is_dead

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for place in self._consumer.assignment():
                await self._look_at(place)
            await self._look_for_standstill()
            self._measure()
            await asyncio.sleep(self._times.look)

    async def _look_for_standstill(self) -> None:
        """Ask the brokers where the records end: a consumer that is deaf does not know."""
        commits, places = self._delivery.commits, list(self._consumer.assignment())
        try:
            async with asyncio.timeout(_ENDS_SECONDS):
                ends = await self._consumer.end_offsets(places) if places else {}
                gone = [place for place in places if await self._was_made_again(place)]
        except (KafkaError, TimeoutError):
            self._standstill.forget()
            return
        for place in gone:
            await self._begin_anew(place)
        reached = {place: commits.reached(place) for place in places}
        self._standstill.look(reached, ends, self._delivery.next_tries)

    async def _was_made_again(self, place: TopicPartition) -> bool:
        """The brokers forget what was committed when a topic is deleted; another of its name begins at 0."""
        known = self._delivery.commits.reached(place)
        return bool(known) and self._consumer.waiting and await self._consumer.committed(place) is None

    async def _begin_anew(self, place: TopicPartition) -> None:
        log.warning("topic_made_again", topic=place.topic, partition=place.partition)
        self._delivery.commits.forget(place)
        with suppress(IllegalStateError):  # another member's by now
            await self._consumer.seek_to_beginning(place)

    async def _look_at(self, place: TopicPartition) -> None:
        try:
            async with asyncio.timeout(_POSITION_SECONDS):
                position = await self._consumer.position(place)
            # In the same moment: later on, a record may be on its way to its handler.
            if self._consumer.waiting:
                self._note(place, position)
                await self._delivery.pass_over(self._consumer, place, position)
        except (IllegalStateError, TimeoutError):
            self._held.pop(place, None)  # another member's by now, or not known where it begins

    def _note(self, place: TopicPartition, position: int) -> None:
        stable, end = self._consumer.last_stable_offset(place), self._consumer.highwater(place)
        if stable is None or end is None or not stable <= position < end:
            self._let_go(place)
            return
        held, now = self._held.get(place), time.monotonic()
        if held is None or held.offset != stable:
            self._let_go(place)
            self._held[place] = held = _HeldPartition(stable, now)
        due = held.since + self._times.open_transaction if held.told is None else held.told + _REPEAT_SECONDS
        if now >= due:
            held.told = now
            _tell(place, stable, end, now - held.since)

    def _let_go(self, place: TopicPartition) -> None:
        held = self._held.pop(place, None)
        if held is not None and held.told is not None:
            log.info("partition_goes_on", topic=place.topic, partition=place.partition, offset=held.offset)

    def _measure(self) -> None:
        now, mine = time.monotonic(), self._consumer.assignment()
        self._held = {place: held for place, held in self._held.items() if place in mine}
        for topic in self._topics:
            ages = [now - held.since for place, held in self._held.items() if place.topic == topic]
            self._metrics.set("laurel_open_transaction_seconds", max(ages, default=0.0), topic=topic)
            still = self._standstill.seconds(topic, mine)
            self._metrics.set("laurel_partition_standstill_seconds", still, topic=topic)


def _tell(place: TopicPartition, stable: int, end: int, seconds: float) -> None:
    log.warning(
        "partition_held_up",
        topic=place.topic,
        partition=place.partition,
        offset=stable,
        end=end,
        seconds=round(seconds, 1),
        why="open transaction",
        message="nothing from this offset on is read until its producer commits or aborts; "
        "`kafka-transactions.sh find-hanging` names it",
    )
