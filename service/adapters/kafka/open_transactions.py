"""Partitions that an open transaction holds up: readers of committed records do not get past its first."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import Consumer, make_consumer
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.topic_provisioning import partitions_of

_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class HeldUp:
    """A partition in which nothing from `offset` on is read, and where its log ends."""

    topic: str
    partition: int
    offset: int
    end: int


async def held_up(
    connection: KafkaConnection, topics: Iterable[str], *, for_seconds: float = 2.0
) -> list[HeldUp]:
    """The partitions of these topics that do not move on for so long. Raises TryLater, Stop."""
    places = await partitions_of(connection, topics)
    async with _at_stable_ends(connection, places) as consumer:
        first = await _held(consumer, places)
        if first:
            await asyncio.sleep(for_seconds)  # an ordinary transaction is over by then
        return [held for held in first if held in await _held(consumer, [_place(held)])]


@asynccontextmanager
async def _at_stable_ends(
    connection: KafkaConnection, places: list[TopicPartition]
) -> AsyncIterator[Consumer]:
    """A consumer that has read all that can be read now: its fetches tell where the logs end."""
    looking = kafka_errors("looking for open transactions", within=_SECONDS)
    async with looking, make_consumer(connection, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        for place, end in (await consumer.end_offsets(places)).items():
            consumer.seek(place, end)
        yield consumer


async def _held(consumer: Consumer, places: list[TopicPartition]) -> list[HeldUp]:
    while any(consumer.highwater(place) is None for place in places):
        await consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000), max_records=1)
    found = []
    for place in places:
        stable, end = consumer.last_stable_offset(place), consumer.highwater(place)
        if stable is not None and stable < end:
            found.append(HeldUp(place.topic, place.partition, stable, end))
    return found


def _place(held: HeldUp) -> TopicPartition:
    return TopicPartition(held.topic, held.partition)
