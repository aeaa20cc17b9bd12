"""Announcements on the real broker: the same bytes each time, in order, through outages and lost answers."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from domain.announcement import Announcement
from domain.errors import NeverRetry, TryLater
from domain.ports.messages import OutboxRow
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.reading import read_to_the_end
from service.adapters.kafka.topic_provisioning import ensure_topics, smallest_event_limit
from service.messaging.relay import OutboxRelay
from service.runtime.clock import SystemClock
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from tests.harm.kafka_behind import Behind, Fronted, fronted_broker
from tests.harm.proxies import lost
from tests.harm.wire_formats import kafka
from tests.kit.eventually import eventually
from tests.worlds.relay import RowsInMemory

PRODUCE = 0


def announcement(topic: str, number: int, body: str = '{"text": "\N{SNOWMAN}"}') -> Announcement:
    headers = {
        "ce_id": f"e{number}",
        "ce_time": "2026-01-01T00:00:00+00:00",
        "content-type": "application/json",
    }
    return Announcement(event_id=f"e{number}", topic=topic, key="price", headers=headers, body=body)


def row(topic: str, number: int, run: str) -> OutboxRow:
    return OutboxRow(seq=number, run_id=run, announcement=announcement(topic, number))


async def records(connection: KafkaConnection, *topics: str) -> list[ConsumerRecord]:
    found = [one async for one in read_to_the_end(connection, topics)]
    return sorted(found, key=lambda one: (one.timestamp, one.partition, one.offset))


@pytest.fixture
def fronted(tmp_path: Path) -> Iterator[Fronted]:
    """A broker of the test's own: all of them publish to the same topics."""
    with fronted_broker(tmp_path) as fronted:
        yield fronted


@pytest.fixture
async def topic(connection: KafkaConnection) -> str:
    name = f"events-{uuid.uuid4().hex[:12]}"
    await ensure_topics(connection, {name: {"message.timestamp.type": "LogAppendTime"}})
    return name


@pytest.fixture
async def publisher(connection: KafkaConnection) -> AsyncIterator[KafkaPublisher]:
    one = KafkaPublisher(connection, metrics=Metrics(), max_event_bytes=1 << 20)
    yield one
    await one.stop()


async def test_what_is_sent_is_what_was_written_down_and_a_repeat_is_equal(
    connection: KafkaConnection, publisher: KafkaPublisher, topic: str
) -> None:
    event = announcement(topic, 1)
    await publisher.start([topic])
    for _ in range(2):
        await publisher.publish(event)
    first, second = await records(connection, topic)
    assert first.value == event.body.encode()
    assert dict(first.headers) == {name: text.encode() for name, text in event.headers.items()}
    assert first.key == b"price"
    assert (first.value, first.key, first.headers) == (second.value, second.key, second.headers)


async def test_a_new_producer_takes_over_after_an_event_that_the_topic_refused(
    connection: KafkaConnection, publisher: KafkaPublisher
) -> None:
    """K09: one permanent error leaves a gap in the sequence, and every later send would fail."""
    small = f"small-{uuid.uuid4().hex[:12]}"
    await ensure_topics(connection, {small: {"max.message.bytes": "1000"}})
    assert await smallest_event_limit(connection, [small]) == 1000
    await publisher.publish(announcement(small, 1))
    with pytest.raises(NeverRetry) as refused:
        await publisher.publish(announcement(small, 2, "x" * 5000))
    assert refused.value.reason == "event_too_large"
    await publisher.publish(announcement(small, 3))
    assert [dict(one.headers)["ce_id"] for one in await records(connection, small)] == [b"e1", b"e3"]


async def test_without_a_broker_it_says_so_in_bounded_time() -> None:
    away = KafkaPublisher(KafkaConnection("127.0.0.1:1"), metrics=Metrics(), max_event_bytes=1 << 20)
    for attempt in (away.publish(announcement("t", 1)), away.start(["t"]), away.ping()):
        with pytest.raises(TryLater) as late:
            await attempt
        assert late.value.waiting_on == "kafka"
    await away.stop()


def relay(outbox: RowsInMemory, publisher: KafkaPublisher) -> OutboxRelay:
    retries = RetryPolicy(first_pause=0.05, longest_pause=0.5)
    return OutboxRelay(
        outbox, publisher, metrics=Metrics(), clock=SystemClock(), retries=retries, idle_seconds=0.2
    )


async def drain(outbox: RowsInMemory, one: OutboxRelay) -> None:
    task = asyncio.create_task(one.run())
    try:
        await eventually(lambda: len(set(outbox.sent)) == len(outbox.rows), within=90)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


TOPICS = ("split.completed", "model.evaluated", "model.promoted")


def three_runs(count: int) -> RowsInMemory:
    """Rows of three runs in turn, each run's over three topics."""
    return RowsInMemory(*(row(TOPICS[n // 3 % 3], n, f"run-{n % 3}") for n in range(count)))


async def first_appearances(connection: KafkaConnection) -> list[int]:
    """The event numbers in the order of the broker's clock, without repeats; equal stamps in either order."""
    seen: dict[int, None] = {}
    for one in await records(connection, *TOPICS):
        seen.setdefault(int(dict(one.headers)["ce_id"][1:]))
    return list(seen)


async def in_order(connection: KafkaConnection) -> bool:
    stamps: dict[int, int] = {}
    for one in await records(connection, *TOPICS):
        stamps.setdefault(int(dict(one.headers)["ce_id"][1:]), one.timestamp)
    runs = [[stamps[n] for n in sorted(stamps) if n % 3 == run] for run in range(3)]
    return all(run == sorted(run) for run in runs)


async def test_lost_answers_lose_no_event_and_keep_the_order_within_a_run(behind: Behind) -> None:
    """K06: the broker has it, its answer is lost, three times; no restart is needed."""
    topics = {name: {"message.timestamp.type": "LogAppendTime"} for name in TOPICS}
    await ensure_topics(behind.past, topics)
    fault = behind.proxy.add(lost(kafka(PRODUCE), times=3))
    outbox = three_runs(30)
    publisher = KafkaPublisher(behind.through, metrics=Metrics(), max_event_bytes=1 << 20)
    await drain(outbox, relay(outbox, publisher))
    await publisher.stop()
    assert fault.hits == 3
    assert sorted(await first_appearances(behind.past)) == list(range(30))
    assert await in_order(behind.past)
    repeats: dict[bytes, set[tuple[object, ...]]] = {}
    for one in await records(behind.past, *TOPICS):
        repeats.setdefault(dict(one.headers)["ce_id"], set()).add((one.topic, one.value, one.headers))
    assert all(len(different) == 1 for different in repeats.values())


async def test_a_broker_that_dies_in_the_middle_and_comes_back_gets_everything_in_order(
    behind: Behind,
) -> None:
    """K06, K07."""
    topics = {name: {"message.timestamp.type": "LogAppendTime"} for name in TOPICS}
    await ensure_topics(behind.past, topics)
    outbox = three_runs(150)
    publisher = KafkaPublisher(behind.past, metrics=Metrics(), max_event_bytes=1 << 20)
    draining = asyncio.create_task(drain(outbox, relay(outbox, publisher)))
    await eventually(lambda: len(outbox.sent) > 20)
    behind.kill()
    assert len(set(outbox.sent)) < 150
    await behind.restart()
    await draining
    await publisher.stop()
    assert sorted(await first_appearances(behind.past)) == list(range(150))
    assert await in_order(behind.past)
