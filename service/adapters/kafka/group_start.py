"""Where a consumer group begins that nobody is in yet."""

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.topic_provisioning import partitions_of

_SECONDS: Final = 20.0


async def begin_at_end(connection: KafkaConnection, group: str, topic: str) -> dict[TopicPartition, int]:
    """Let a group without members begin at the present end of a topic; return these offsets.

    Raises TryLater while somebody is in the group; Stop.
    """
    places = [TopicPartition(topic, number) for number in await partitions_of(connection, topic)]
    options = connection.options() | {"group_id": group, "enable_auto_commit": False}
    setting = kafka_errors("setting where a group begins", within=_SECONDS)
    async with setting, AIOKafkaConsumer(**options) as consumer:
        consumer.assign(places)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
        await consumer.commit(ends)
    return ends
