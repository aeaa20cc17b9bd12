"""The one place that makes consumers: committed records only, bounded in memory; losses are reported."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.protocol.fetch import FetchRequest

from service.adapters.kafka.connection import UNPACKED_BYTES, KafkaConnection
from service.adapters.kafka.fetch_guard import Checked, Unpacker, checked, is_heavy

# An aborted request is no request, and one that is not committed yet is none so far.
_ISOLATION: Final = {"isolation_level": "read_committed"}

Lost = Callable[[TopicPartition, int], None]


class Consumer(AIOKafkaConsumer):  # type: ignore[misc] # the library ships no types
    """Knows, of what was fetched last, where the batches end."""

    def __init__(self, *topics: str, **options: Any) -> None:
        super().__init__(*topics, **options)
        self.batches: dict[TopicPartition, list[tuple[int, int]]] = {}

    def batch_end(self, place: TopicPartition, offset: int) -> int:
        """The offset of the last record in the batch that holds this one."""
        ends = (last for first, last in self.batches.get(place, ()) if first <= offset <= last)
        return next(ends, offset)


C = TypeVar("C", bound=Consumer)


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
    return guarded(Consumer(*topics, **consumer_options(connection, options)), unpacked_bytes, lost)


def consumer_options(connection: KafkaConnection, options: Mapping[str, Any]) -> dict[str, Any]:
    """What every consumer of ours is built with, whatever is asked for."""
    return {**options, **connection.options(), **_ISOLATION}


def guarded(consumer: C, unpacked_bytes: int, lost: Lost) -> C:
    """Wrap `AIOKafkaClient.send`, the one method through which every fetch answer comes.

    The library offers no place to look at an answer, unpacks without a bound, and tells nobody that an offset
    is gone; all else of it stays as it is. Tests hold the shape of the answer.
    """
    client = consumer._client  # noqa: SLF001 - see above
    send = client.send

    async def guarded_send(node_id: Any, request: Any, **how: Any) -> Any:
        response = await send(node_id, request, **how)
        if isinstance(request, FetchRequest):
            await _look_at(consumer, request, response, Unpacker(unpacked_bytes), lost)
        return response

    client.send = guarded_send
    return consumer


async def _look_at(consumer: Consumer, request: Any, response: Any, unpacker: Unpacker, lost: Lost) -> None:
    offsets = {
        TopicPartition(topic, partition): offset
        for topic, partitions in request.topics
        for partition, offset, _ in partitions
    }
    topics = []
    for topic, partitions in response.topics:
        answers = []
        for partition, error, *middle, data in partitions:
            place = TopicPartition(topic, partition)
            if error == OffsetOutOfRangeError.errno:
                lost(place, offsets[place])
            checked = await _checked(data, offsets[place], unpacker)
            consumer.batches[place] = checked.batches
            answers.append((partition, error, *middle, checked.data))
        topics.append((topic, answers))
    response.topics = topics


async def _checked(data: bytes | None, offset: int, unpacker: Unpacker) -> Checked:
    if data and is_heavy(data):  # up to a second: heartbeats go on meanwhile
        return await asyncio.to_thread(checked, data, offset, unpacker)
    return checked(data or b"", offset, unpacker)
