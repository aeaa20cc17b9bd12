"""A megabyte of bad requests in one partition, and whether the workers have dealt with all of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.partitioner import DefaultPartitioner

from config.topics import requests_group
from domain.events import REQUEST_TOPIC

_BATCH_BYTES: Final = 500_000
_BATCHES: Final = 2


@asynccontextmanager
async def flood(bootstrap_servers: str, model_name: str) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Send records without a value beside the partition of a model's requests; say if any is still to do."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, max_batch_size=_BATCH_BYTES)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await producer.start()
    await admin.start()
    try:
        place = await _beside(producer, model_name)
        end = [await _send(producer, place) for _ in range(_BATCHES)][-1]

        async def goes_on() -> bool:
            committed = await admin.list_consumer_group_offsets(
                requests_group(model_name), partitions=[place]
            )
            return bool(committed[place].offset < end)

        yield goes_on
    finally:
        await admin.close()
        await producer.stop()


async def _beside(producer: AIOKafkaProducer, model_name: str) -> TopicPartition:
    partitions = sorted(await producer.partitions_for(REQUEST_TOPIC))
    taken = DefaultPartitioner()(model_name.encode(), partitions, partitions)
    return TopicPartition(REQUEST_TOPIC, next(number for number in partitions if number != taken))


async def _send(producer: AIOKafkaProducer, place: TopicPartition) -> int:
    """Send one full batch; return the offset after it."""
    batch = producer.create_batch()
    while batch.append(timestamp=None, key=None, value=None):
        pass
    count = int(batch.record_count())
    batch.close()
    sent = await (await producer.send_batch(batch, place.topic, partition=place.partition))
    return int(sent.offset) + count
