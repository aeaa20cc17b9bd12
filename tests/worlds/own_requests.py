"""A test's worker begins behind what others have asked for: a request that names no model is everybody's."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from config.topics import TOPICS, requests_group
from domain.events import REQUEST_TOPIC
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.group_start import begin_at_end
from service.adapters.kafka.topic_provisioning import ensure_topics
from tests.kit.eventually import eventually
from tests.oracle.where import Partition


async def begin_here(bootstrap: str, model: str) -> dict[Partition, int]:
    """Make the topics, let a model's workers begin at the present end of the requests, and say where."""
    connection = KafkaConnection(bootstrap)
    await ensure_topics(connection, TOPICS)
    ends = await begin_at_end(connection, requests_group(model), REQUEST_TOPIC)
    return {(place.topic, place.partition): end for place, end in ends.items()}


async def begin_at(bootstrap: str, group: str, offsets: Mapping[Partition, int]) -> None:
    """Set a group to these offsets as soon as its last member is gone."""
    places = {TopicPartition(*place): offset for place, offset in offsets.items()}
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False
    ) as consumer:
        consumer.assign(list(places))

        async def set_them() -> bool:
            try:
                await consumer.commit(places)
            except CommitFailedError:
                return False
            return True

        await eventually(set_them)
