"""A broker that asks who is there: a wrong password stops the start and says who it was."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from domain.errors import Stop, TryLater
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.requests import publish_request, read_events
from service.adapters.kafka.topic_provisioning import ensure_topics, missing_topics
from service.local.servers import ports
from service.local.servers.kafka import EmbeddedKafka, Listener

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_ASKING = {
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,DOOR:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.door.plain.sasl.jaas.config": f'{_PLAIN} user_laurel="canary-right";',
}


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaConnection]:
    """The way in that asks for a user and a password."""
    port, second = ports.free_port(2), ports.free_port()
    folder, doors = tmp_path_factory.mktemp("kafka"), (Listener("DOOR", second, second),)
    broker = EmbeddedKafka(folder, port, _ASKING, doors)
    broker.start()
    broker.wait_ready()
    yield KafkaConnection(
        f"127.0.0.1:{second}",
        protocol="SASL_PLAINTEXT",
        mechanism="PLAIN",
        username="laurel",
        password="canary-right",  # noqa: S106 - of this test's own broker
    )
    broker.stop()


async def test_with_the_right_password_everything_works_and_with_a_wrong_one_nothing_starts(
    door: KafkaConnection,
) -> None:
    """S06: no way around is tried, and the password is in no message."""
    await ensure_topics(door, {"training.requested": {}})
    sent = await publish_request(door, "training.requested", {}, model_name="price", source="/cli")
    (read,) = [one async for one in read_events(door, ["training.requested"])]
    assert read.attributes["id"] == sent.event_id
    wrong = replace(door, password="canary-wrong")  # noqa: S106 - likewise
    with pytest.raises(Stop, match="laurel") as denied:
        await missing_topics(wrong, ["training.requested"])
    assert denied.value.reason == "kafka_denied"
    assert "canary" not in str(denied.value)


async def test_a_broker_without_tls_is_not_spoken_to_when_tls_is_asked_for(door: KafkaConnection) -> None:
    """It cannot be told from one that resets connections, so it is waited for; never in the clear."""
    with pytest.raises(TryLater):
        await missing_topics(replace(door, protocol="SASL_SSL"), ["training.requested"])
