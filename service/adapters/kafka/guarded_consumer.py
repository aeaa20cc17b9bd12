"""A consumer whose fetches are bounded in memory, and that tells when records were deleted unread."""

import asyncio
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest

from service.adapters.kafka.record_batches import Limits, bounded, needs_work

Lost = Callable[[TopicPartition, int], None]


def guarded_consumer(limits: Limits, lost: Lost, options: dict[str, Any]) -> AIOKafkaConsumer:
    """Build a consumer that looks at every fetch answer before the library does.

    `lost` is told the partition and the offset from which records are gone; the library then reads on at the
    earliest there is. It offers no seam for either, so its client's `send` is wrapped; tests hold the shape.
    """
    consumer = AIOKafkaConsumer(**options)
    client = consumer._client  # noqa: SLF001 - see above
    send = client.send

    async def guarded_send(node_id: Any, request: Any, **how: Any) -> Any:
        response = await send(node_id, request, **how)
        if isinstance(request, FetchRequest):
            await _guard(request, response, limits, lost)
        return response

    client.send = guarded_send
    return consumer


async def _guard(request: Any, response: Any, limits: Limits, lost: Lost) -> None:
    offsets = {
        (topic, partition): offset
        for topic, partitions in request.topics
        for partition, offset, _ in partitions
    }
    topics = []
    for topic, partitions in response.topics:
        answers = []
        for partition, error, *middle, data in partitions:
            offset = offsets[topic, partition]
            if error == OffsetOutOfRangeError.errno:
                lost(TopicPartition(topic, partition), offset)
            answers.append((partition, error, *middle, await _bounded(data, offset, limits)))
        topics.append((topic, answers))
    response.topics = topics


async def _bounded(data: bytes | None, offset: int, limits: Limits) -> bytes | None:
    if not data:
        return data
    if needs_work(data):  # up to a second: heartbeats go on meanwhile
        return await asyncio.to_thread(bounded, data, offset, limits)
    return bounded(data, offset, limits)
