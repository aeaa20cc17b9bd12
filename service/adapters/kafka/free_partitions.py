"""Partitions that no member of a consumer group reads."""

from collections.abc import Collection
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.coordinator.protocol import ConsumerProtocol

from domain.errors import TryLater
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import admin_client, partitions_of

_STABLE: Final = "Stable"


async def refuse_free_partitions(connection: KafkaConnection, group: str, topics: Collection[str]) -> None:
    """Raise TryLater if partitions of these topics are there, or none at all, that nobody in the group reads.

    A member without a partition is fine where others read them all.
    """
    places = await partitions_of(connection, topics)
    missing = sorted(set(topics) - {place.topic for place in places})
    if missing:
        raise _not_reading(f"there is no topic {', '.join(missing)}")
    free = set(places) - await _read_by(connection, group)
    if free:
        first = min(free)
        raise _not_reading(f"{len(free)} are free, the first is {first.topic}/{first.partition}")


def _not_reading(why: str) -> TryLater:
    message = f"no partition is assigned to this consumer, and {why}"
    return TryLater("kafka_unavailable", message, waiting_on="kafka")


async def _read_by(connection: KafkaConnection, group: str) -> set[TopicPartition]:
    async with admin_client(connection, "asking for the members of a group") as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    ((_, _, state, _, _, members, *_),) = answer.groups
    if state != _STABLE:
        raise _not_reading(f"its group is in state {state!r}")
    return {place for member in members for place in _assigned(member[-1])}


def _assigned(assignment: bytes) -> Any:
    return ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions() if assignment else ()
