"""The one place where consumers are made: committed records only, bounded in memory, and losses are told."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.fetch_guard import guarded, is_heavy
from service.adapters.kafka.unpacking import Unpacker

# A broker takes 1 MiB for a batch, packed or not, unless its topic says otherwise.
UNPACKED_BYTES: Final = 8 << 20
# An aborted request is no request, and one that is not committed yet is none so far.
_ISOLATION: Final = {"isolation_level": "read_committed"}

Lost = Callable[[TopicPartition, int], None]


class Consumer(AIOKafkaConsumer):  # type: ignore[misc] # the library ships no types
    """`waiting` is true while its reader waits for a record, and so has dealt with all before it."""

    waiting = False

    async def getone(self, *partitions: TopicPartition) -> ConsumerRecord:
        """Return the next record; the position moves on in the same moment in which `waiting` ends."""
        self.waiting = True
        try:
            return await super().getone(*partitions)
        finally:
            self.waiting = False


def make_consumer(
    connection: KafkaConnection,
    *topics: str,
    unpacked_bytes: int = UNPACKED_BYTES,
    lost: Lost = lambda _place, _offset: None,
    **options: Any,
) -> Consumer:
    """Build a consumer that looks at every fetch answer before the library does.

    No batch unpacks to more than `unpacked_bytes`. `lost` is told the partition and the offset from which
    records are gone; the library then reads on at the earliest there is.
    """
    consumer = Consumer(*topics, **options | connection.options() | _ISOLATION)
    _guard_fetches(consumer, unpacked_bytes, lost)
    return consumer


def _guard_fetches(consumer: Consumer, unpacked_bytes: int, lost: Lost) -> None:
    """Wrap `AIOKafkaClient.send`, the one method through which every fetch answer comes.

    The library offers no place to look at an answer, unpacks without a bound, and tells nobody that an offset
    is gone; all else of it stays as it is. Tests hold the shape of the answer.
    """
    client = consumer._client  # noqa: SLF001 - see above
    send = client.send

    async def guarded_send(node_id: Any, request: Any, **how: Any) -> Any:
        response = await send(node_id, request, **how)
        if isinstance(request, FetchRequest):
            await _look_at(request, response, Unpacker(unpacked_bytes), lost)
        return response

    client.send = guarded_send


async def _look_at(request: Any, response: Any, unpacker: Unpacker, lost: Lost) -> None:
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
            answers.append((partition, error, *middle, await _bounded(data, offset, unpacker)))
        topics.append((topic, answers))
    response.topics = topics


async def _bounded(data: bytes | None, offset: int, unpacker: Unpacker) -> bytes | None:
    if not data:
        return data
    if is_heavy(data):  # up to a second: heartbeats go on meanwhile
        return await asyncio.to_thread(guarded, data, offset, unpacker)
    return guarded(data, offset, unpacker)
