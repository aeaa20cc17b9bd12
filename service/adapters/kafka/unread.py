"""What a consumer group has not read yet, and who is in it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from aiokafka import ConsumerRecord

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.consumers import make_consumer
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.reading import read_to_the_end
from service.adapters.kafka.topic_provisioning import admin_client, partitions_of

_SECONDS: Final = 20.0
_MEMBERS: Final = 5  # the place of the members in the description of a group


async def read_unread(
    connection: KafkaConnection, group: str, topic: str
) -> AsyncGenerator[ConsumerRecord, None]:
    """Every record after what the group has committed; all of a partition in which it never was.

    Raises TryLater, Stop.
    """
    stands, is_behind = await _stands(connection, group, topic)
    if not is_behind:
        return
    async with aclosing(read_to_the_end(connection, [topic], from_offsets=stands)) as records:
        async for record in records:
            yield record


async def readers_in(connection: KafkaConnection, group: str) -> int:
    """How many consumers are in a group, by the broker's knowledge. Raises TryLater, Stop."""
    async with admin_client(connection, "asking who reads requests") as admin:
        [answer] = await admin.describe_consumer_groups([group])
    return sum(len(described[_MEMBERS]) for described in answer.groups)


async def _stands(connection: KafkaConnection, group: str, topic: str) -> tuple[dict[int, int], bool]:
    """Where the group stands in each partition, and whether records follow."""
    places = await partitions_of(connection, [topic])
    if not places:
        return {}, False
    asking = kafka_errors("asking where a group stands", within=_SECONDS)
    async with asking, make_consumer(connection, group_id=group, enable_auto_commit=False) as consumer:
        consumer.assign(places)
        ends, starts = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        stands = {place: await consumer.committed(place) or starts[place] for place in places}
    is_behind = any(stands[place] < ends[place] for place in places)
    return {place.partition: offset for place, offset in stands.items()}, is_behind
