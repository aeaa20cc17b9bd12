"""Topics on the real broker: made as needed, missed by name."""

import asyncio
import uuid

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from config.topics import TOPICS
from domain.errors import NeverRetry, TryLater
from domain.events import DEAD_LETTER_TOPIC, ModelPromoted
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import (
    admin_client,
    deletions_of,
    ensure_topics,
    missing_topics,
    smallest_event_limit,
)


def names(count: int) -> list[str]:
    tag = uuid.uuid4().hex[:12]
    return [f"made-{tag}-{number}" for number in range(count)]


async def test_missing_topics_are_made_once_and_existing_ones_stay_as_they_are(
    connection: KafkaConnection,
) -> None:
    first, second = names(2)
    assert await missing_topics(connection, [first, second]) == [first, second]
    assert await ensure_topics(connection, {first: {"max.message.bytes": "5000"}}) == [first]
    assert await ensure_topics(connection, {first: {"max.message.bytes": "9"}, second: {}}) == [second]
    assert await missing_topics(connection, [first, second]) == []
    assert await smallest_event_limit(connection, [first, second]) == 5000


async def test_dead_letters_are_bounded_in_time_and_in_bytes(connection: KafkaConnection) -> None:
    (name,) = names(1)
    await ensure_topics(connection, {name: TOPICS[DEAD_LETTER_TOPIC]})
    async with admin_client(connection, "asking") as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    ((*_, entries),) = answer.resources
    configured = {key: value for key, value, *_ in entries}
    assert configured["retention.bytes"] == str(1 << 30)
    assert configured["retention.ms"] == str(90 * 86_400_000)


async def test_what_lets_a_topics_records_go_is_told(connection: KafkaConnection) -> None:
    """`doctor` asks it of `model.promoted`, which Laurel makes so that they stay."""
    settings: dict[str, dict[str, str]] = {
        "kept": dict(TOPICS[ModelPromoted.topic]),
        "for a day": {"retention.ms": "86400000"},
        "up to a size": {"retention.ms": "-1", "retention.bytes": "1000"},
        "compacted": {"retention.ms": "86400000", "cleanup.policy": "compact"},
        "both": {"retention.ms": "86400000", "cleanup.policy": "compact,delete"},
    }
    made = dict(zip(settings, names(len(settings)), strict=True))
    await ensure_topics(connection, {made[what]: config for what, config in settings.items()})
    lost = {what: dict(await deletions_of(connection, name)) for what, name in made.items()}
    a_day = {"retention.ms": "86400000"}
    size = {"retention.bytes": "1000"}
    assert lost == {"kept": {}, "for a day": a_day, "up to a size": size, "compacted": {}, "both": a_day}


async def test_several_who_make_the_same_topics_at_once_all_succeed(connection: KafkaConnection) -> None:
    wanted: dict[str, dict[str, str]] = {name: {} for name in names(4)}
    made = await asyncio.gather(*(ensure_topics(connection, wanted) for _ in range(4)))
    assert sorted(name for part in made for name in part) == sorted(wanted)


async def test_a_topic_that_cannot_be_made_is_named(connection: KafkaConnection) -> None:
    (name,) = names(1)
    with pytest.raises(NeverRetry, match=name) as refused:
        await ensure_topics(connection, {name: {}}, replication=3)
    assert refused.value.reason == "topic_refused"
    with pytest.raises(NeverRetry, match="InvalidConfiguration"):
        await ensure_topics(connection, {name: {"no.such.setting": "1"}})


async def test_without_a_broker_every_call_says_what_is_missing() -> None:
    nowhere = KafkaConnection("127.0.0.1:1")
    for attempt in (
        ensure_topics(nowhere, {"a": {}}),
        missing_topics(nowhere, ["a"]),
        smallest_event_limit(nowhere, ["a"]),
    ):
        with pytest.raises(TryLater) as late:
            await attempt
        assert late.value.waiting_on == "kafka"
