"""Kafka by a bare consumer: every record of some topics from given offsets on, and committed offsets."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.oracle.facts import Commit, Coordinates, Record
from tests.oracle.reading import DEAD_LETTER_TOPIC
from tests.oracle.where import Partition

EVENT_TOPICS: Final = (
    "split.completed",
    "model.evaluated",
    "model.promoted",
    "model.declined",
    "training.rejected",
    "training.failed",
    "inference.reloaded",
    "inference.diverged",
    "champion.missing",
    "promotion.held",
    "promotion.released",
    "model.quarantined",
    "model.quarantine_lifted",
)
_READ: Final = (*EVENT_TOPICS, DEAD_LETTER_TOPIC)


async def end_offsets(bootstrap: str, topics: Iterable[str]) -> dict[Partition, int]:
    """Where each partition of the topics ends now."""
    places = await _partitions(bootstrap, topics)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
    return {(place.topic, place.partition): end for place, end in ends.items()}


async def read_topics(bootstrap: str, starts: Mapping[Partition, int]) -> tuple[Record, ...]:
    """Read events and dead letters from `starts` to the present end."""
    records: list[Record] = []
    async with _consumer(bootstrap) as consumer:
        places = await _seek(consumer, starts)
        ends = await consumer.end_offsets(places)
        for place in places:
            while await consumer.position(place) < ends[place]:
                for found in (await consumer.getmany(place, timeout_ms=500)).values():
                    records.extend(as_record(raw) for raw in found)
    return tuple(records)


async def committed(bootstrap: str, group: str, topic: str) -> list[Commit]:
    """What a group has committed of a topic."""
    async with _admin(bootstrap) as admin:
        offsets = await admin.list_consumer_group_offsets(group)
    found = ((place.partition, held.offset) for place, held in offsets.items() if place.topic == topic)
    return [Commit(partition, offset) for partition, offset in sorted(found) if offset >= 0]


class LiveReader:
    """Reads along amid the faults, as a downstream service would."""

    def __init__(self, bootstrap: str, starts: Mapping[Partition, int]) -> None:
        self.records: list[Record] = []
        self._bootstrap = bootstrap
        self._starts = starts
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Stop reading; raises what ended it before."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _read(self) -> None:
        async with _consumer(self._bootstrap) as consumer:
            await _seek(consumer, self._starts)
            while True:
                try:
                    for found in (await consumer.getmany(timeout_ms=200)).values():
                        self.records.extend(as_record(raw) for raw in found)
                except KafkaError:  # the broker is one of those who are killed
                    await asyncio.sleep(0.2)


def as_record(raw: ConsumerRecord) -> Record:
    """What the client hands over, as plain values."""
    place = Coordinates(raw.topic, raw.partition, raw.offset, raw.timestamp)
    return Record(place, raw.key, tuple(raw.headers), raw.value)


def _consumer(bootstrap: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )


async def _partitions(bootstrap: str, topics: Iterable[str]) -> list[TopicPartition]:
    """Where the topics are kept; a consumer would take half a second for each to learn it."""
    async with _admin(bootstrap) as admin:
        known = await admin.describe_topics(list(topics))
    return [TopicPartition(one["topic"], each["partition"]) for one in known for each in one["partitions"]]


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def _seek(consumer: AIOKafkaConsumer, starts: Mapping[Partition, int]) -> list[TopicPartition]:
    places = [TopicPartition(*place) for place in starts if place[0] in _READ]
    consumer.assign(places)
    for place in places:
        consumer.seek(place, starts[place.topic, place.partition])
    return places
