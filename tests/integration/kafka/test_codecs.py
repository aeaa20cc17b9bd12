"""Every codec, from every producer and by every topic's own choice, on the real broker."""

import asyncio
import json
from functools import partial
from typing import get_args

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from structlog.testing import capture_logs

from config.topics import TOPICS
from domain.convergence import RolloutTarget
from domain.events import REQUEST_TOPIC
from handlers.model_promoted import on_model_promoted
from service.adapters.kafka.connection import UNPACKED_BYTES
from service.adapters.kafka.fetch_guard import Unpacker
from service.adapters.kafka.requests import read_events
from service.adapters.kafka.topic_provisioning import codecs_of, ensure_topics
from service.cli.formatting import event_line
from service.runtime.metrics import Metrics
from tests.integration.kafka.foreign_producers import CODECS, Client, send
from tests.kit.eventually import eventually
from tests.worlds.inbox import MODEL, InboxWorld


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The codecs of the batches that come from the broker."""
    codecs: set[int] = set()
    unpack = Unpacker.unpack

    def noting(self: Unpacker, codec: int, packed: bytes) -> memoryview:
        codecs.add(codec)
        return unpack(self, codec, packed)

    monkeypatch.setattr(Unpacker, "unpack", noting)
    return codecs


def payload(name: str) -> bytes:
    return json.dumps({"request_id": name, "reason": "x" * 900}).encode()


async def test_requests_of_every_producer_with_every_codec_are_stored(
    world: InboxWorld, seen: set[int]
) -> None:
    """With headers of a tracer, and two records in each batch."""
    worker = await world.start()
    tracer = [("dd-pathway-ctx", b"\x9d\xc3\x28\x07\xff"), ("traceparent", None)]
    names = set()
    for client in get_args(Client):
        for codec in CODECS:
            two = [f"{client}-{codec}-{number}" for number in range(2)]
            names |= set(two)
            servers = world.connection.bootstrap_servers
            await send(client, servers, world.topic, [payload(one) for one in two], codec, tracer)
    await world.at_rest()
    assert {identity.removeprefix("request:") for identity in world.store.rows} == names
    assert seen == {0, 1, 2, 3, 4}
    assert await world.dead_letters() == []
    assert worker.count("laurel_consumer_restarts_total") == 0


async def test_topics_that_choose_their_own_codec_are_read(world: InboxWorld, seen: set[int]) -> None:
    """Requests, dead letters, and events as `watch` reads them: the broker packs what came plain."""
    await world.start()
    for number, codec in enumerate(CODECS[1:], start=1):
        for topic in (world.topic, world.dead_topic):
            resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"compression.type": codec})
            await world.admin.alter_configs([resource])
        await eventually(partial(packed_anew, world, seen, number))
    await world.at_rest()
    letters = await world.dead_letters()
    assert {one.record.value for one in letters} == {b"no JSON " * 100}
    events = [one.data async for one in read_events(world.connection, [world.topic]) if one.data]
    assert len(events) == len(letters)
    assert len(world.store.rows) == len(CODECS[1:])
    assert await codecs_of(world.connection, [world.topic]) == {world.topic: "zstd"}


async def packed_anew(world: InboxWorld, seen: set[int], codec: int) -> bool:
    seen.clear()
    await world.put(payload(str(codec)), partition=1)
    await world.put(b"no JSON " * 100, partition=2)
    await world.at_rest()
    return codec in seen


async def test_on_topics_of_ours_the_broker_unpacks_and_holds_the_bound(
    world: InboxWorld, seen: set[int]
) -> None:
    made = f"{world.topic}-ours"
    await ensure_topics(world.connection, {made: TOPICS[REQUEST_TOPIC]})
    assert await codecs_of(world.connection, [made]) == {made: "uncompressed"}
    servers = world.connection.bootstrap_servers
    await send("confluent-kafka", servers, made, [payload("x")], "zstd")
    with pytest.raises(MessageSizeTooLargeError):
        await send("aiokafka", servers, made, [bytes(1_100_000)], "gzip")
    events = [one.data async for one in read_events(world.connection, [made])]
    assert [one and one["request_id"] for one in events] == ["x"]
    assert seen == {0}


async def test_what_cannot_be_read_on_a_topic_of_ours_is_a_warning_and_counted(world: InboxWorld) -> None:
    """As the reload listener reads `model.promoted`: after a bomb and a person's own record."""
    heard: list[RolloutTarget] = []
    handle = partial(on_model_promoted, promoted=heard.append, model_name=MODEL, max_bytes=100_000)
    metrics = Metrics()
    with capture_logs() as said:
        listening = asyncio.create_task(world.inbox(handle, "listener", metrics).run())
        assert f'laurel_records_unreadable_total{{topic="{world.topic}"}} 0.0' in metrics.render().decode()
        event = b'{"model_name": "%s", "generation": 3, "version": 5}' % MODEL.encode()
        servers = world.connection.bootstrap_servers
        bomb = bytes(3 * UNPACKED_BYTES // 2)
        await send("aiokafka", servers, world.topic, [bomb], "gzip")
        await send("aiokafka", servers, world.topic, [b"no JSON"], "none")
        await send("confluent-kafka", servers, world.topic, [event], "zstd")
        await eventually(lambda: [one.generation for one in heard] == [3])
        await world.at_rest()
        listening.cancel()
        await asyncio.wait([listening])
    warned = [line for line in said if line["event"] == "record_unreadable"]
    assert [(line["log_level"], line["reason"]) for line in warned] == [
        ("warning", "too_large"),
        ("warning", "not_json"),
    ]
    assert f'laurel_records_unreadable_total{{topic="{world.topic}"}} 2.0' in metrics.render().decode()
    shown = [event_line(one) async for one in read_events(world.connection, [world.topic]) if one.problem]
    assert "a batch of 1 records" in shown[0]
