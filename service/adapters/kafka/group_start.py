"""Where a consumer group stands, and where one begins that nobody is in yet."""

from collections.abc import Iterable
from typing import Final

from aiokafka import TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import make_consumer
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.topic_provisioning import partitions_of

_SECONDS: Final = 20.0


async def begin_at_end(connection: KafkaConnection, group: str, topic: str) -> dict[TopicPartition, int]:
    """Let a group without members begin at the present end of a topic; return these offsets.

    Raises TryLater while somebody is in the group; Stop.
    """
    return await _begin_at_end(connection, group, [topic], only_new=False)


async def begin_new_at_end(
    connection: KafkaConnection, group: str, topics: Iterable[str]
) -> dict[TopicPartition, int]:
    """Let a group begin at the present end wherever it has never been; return these offsets.

    It is committed before the first record is read, so what comes while nobody is there is not passed over.
    Raises TryLater while somebody who is in the group has not committed yet; Stop.
    """
    return await _begin_at_end(connection, group, topics, only_new=True)


async def committed_offsets(connection: KafkaConnection, group: str, topic: str) -> dict[int, int]:
    """Where a group stands in each partition in which it has ever been. Raises TryLater, Stop."""
    places = await partitions_of(connection, [topic])
    asking = kafka_errors("asking where a group stands", within=_SECONDS)
    async with asking, make_consumer(connection, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        stands = {place.partition: await consumer.committed(place) for place in places}
    return {partition: offset for partition, offset in stands.items() if offset is not None}


async def _begin_at_end(
    connection: KafkaConnection, group: str, topics: Iterable[str], *, only_new: bool
) -> dict[TopicPartition, int]:
    places = await partitions_of(connection, topics)
    setting = kafka_errors("setting where a group begins", within=_SECONDS)
    async with setting, make_consumer(connection, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        if only_new:
            places = [place for place in places if await consumer.committed(place) is None]
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places) if places else {}
        if ends:
            await consumer.commit(ends)
    return ends
