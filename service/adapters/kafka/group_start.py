"""Where a consumer group begins that nobody is in yet."""

from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.errors import kafka_errors

_SECONDS: Final = 20.0


async def begin_at_end(connection: KafkaConnection, group: str, topic: str) -> dict[TopicPartition, int]:
    """Let a group without members begin at the present end of a topic; return these offsets.

    Raises TryLater while somebody is in the group; Stop.
    """
    options = connection.options() | {"group_id": group, "enable_auto_commit": False}
    setting = kafka_errors("setting where a group begins", within=_SECONDS)
    async with setting, AIOKafkaConsumer(**options) as consumer:
        ends: dict[TopicPartition, int] = await consumer.end_offsets(await _places(consumer, topic))
        await consumer.commit(ends)
    return ends


async def _places(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    first = TopicPartition(topic, 0)
    consumer.assign([first])  # makes the client ask about the topic
    await consumer.end_offsets([first])
    places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
    consumer.assign(places)
    return places
