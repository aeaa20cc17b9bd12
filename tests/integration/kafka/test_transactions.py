"""Requests of transactional producers: aborted never, open not yet, committed once; and no mark is a loss."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, get_args

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from structlog.testing import capture_logs

from domain.errors import NeverRetry
from service.adapters.kafka.dead_letters import list_dead_letters, show_dead_letter
from service.adapters.kafka.group_start import begin_at_end
from service.adapters.kafka.open_transactions import HeldUp, held_up
from service.adapters.kafka.reading import read_one, read_to_the_end
from service.adapters.kafka.requests import read_events
from service.cli.topic_findings import topic_findings
from tests.integration.kafka.foreign_producers import Client, Transactional, transactional
from tests.kit.eventually import eventually
from tests.worlds.inbox import InboxWorld, Worker

Open = Callable[..., Awaitable[Transactional]]


@pytest.fixture
async def producer_of(world: InboxWorld) -> AsyncIterator[Open]:
    """Makes transactional producers, which end with the test."""
    made = []

    async def make(client: Client, codec: str = "none") -> Transactional:
        made.append(await transactional(client, world.connection.bootstrap_servers, codec))
        return made[-1]

    yield make
    for producer in made:
        await producer.close()


def payload(name: str) -> bytes:
    return b'{"request_id": "%s", "reason": "%s"}' % (name.encode(), b"x" * 500)


def stored(world: InboxWorld) -> set[str]:
    return {identity.removeprefix("request:") for identity in world.store.rows}


async def put(producer: Transactional, world: InboxWorld, partition: int, name: str) -> None:
    await producer.begin()
    await producer.put(world.topic, partition, payload(name))


@pytest.mark.parametrize("client", get_args(Client))
async def test_what_is_aborted_never_runs_and_what_is_open_runs_once_after_its_commit(
    world: InboxWorld, producer_of: Open, client: Client
) -> None:
    """Each partition by a codec of its own."""
    with capture_logs() as said:
        worker = await world.start(session_seconds=30)
        producers = [await producer_of(client, codec) for codec in ("none", "gzip", "zstd")]
        for partition, producer in enumerate(producers):
            await leave_open(producer, world, partition)
        await eventually(lambda: stored(world) >= names("committed"))
        await eventually(lambda: told(said, "partition_held_up") == 3)
        assert worker.count("laurel_open_transaction_seconds") > 0
        assert stored(world) == names("committed")
        for producer in producers:
            await producer.commit()
        await world.at_rest(within=60)
        await eventually(lambda: told(said, "partition_goes_on") == 3)
    assert stored(world) == names("committed", "open", "after")
    assert await world.dead_letters() == []
    assert worker.count("laurel_records_lost_total") == 0
    await eventually(lambda: worker.count("laurel_open_transaction_seconds") == 0)


def names(*kinds: str) -> set[str]:
    return {f"{kind}-{partition}" for kind in kinds for partition in range(3)}


async def leave_open(producer: Transactional, world: InboxWorld, partition: int) -> None:
    """A transaction that is aborted, one that is committed, one that is open, and a plain record after it."""
    await put(producer, world, partition, f"aborted-{partition}")
    await producer.abort()
    await put(producer, world, partition, f"committed-{partition}")
    await producer.commit()
    await put(producer, world, partition, f"open-{partition}")
    await world.put(payload(f"after-{partition}"), partition=partition)


def told(said: Sequence[Mapping[str, Any]], event: str) -> int:
    """How many partitions were told of as held up by what is left open, at offset 4."""
    lines = [line for line in said if line["event"] == event and line["offset"] == 4]
    assert all(line.get("why", "open transaction") == "open transaction" for line in lines)
    return len({line["partition"] for line in lines})


async def test_marks_and_aborted_records_that_are_deleted_are_no_loss(
    world: InboxWorld, producer_of: Open
) -> None:
    """Retention deletes them like all else; nobody was to read them."""
    worker = await world.start()
    producer = await producer_of("aiokafka")
    await put(producer, world, 0, "committed")
    await producer.commit()
    await world.at_rest()
    await put(producer, world, 0, "aborted")
    await producer.abort()
    await world.at_rest()
    await stop(worker, world)
    _, ends = await world.offsets()
    everything = {TopicPartition(world.topic, 0): RecordsToDelete(before_offset=ends[0])}
    await world.admin.delete_records(everything)
    with capture_logs() as said:
        worker = await world.start()
        await world.put(payload("after"))
        await eventually(lambda: stored(world) == {"committed", "after"})
    assert [line for line in said if line["event"] == "records_lost"] == []
    assert worker.count("laurel_records_lost_total") == 0


async def stop(worker: Worker, world: InboxWorld) -> None:
    await worker.stop()
    world.workers.remove(worker)


async def test_readers_of_whole_topics_end_at_a_mark_and_before_an_open_transaction(
    world: InboxWorld, producer_of: Open
) -> None:
    """As `watch`, `dead-letters` and a group's start read: bounded by what is committed."""
    connection = world.connection
    producer = await producer_of("aiokafka")
    await put(producer, world, 0, "aborted")
    await producer.abort()
    await put(producer, world, 0, "committed")
    await producer.commit()
    assert [one.offset async for one in read_to_the_end(connection, [world.topic])] == [2]
    assert await read_one(connection, world.topic, 0, 2) is not None
    for nothing in (0, 1, 3, 4, 10**18):
        assert await read_one(connection, world.topic, 0, nothing) is None
    await put(producer, world, 0, "open")
    assert [one.offset async for one in read_to_the_end(connection, [world.topic])] == [2]
    events = [one async for one in read_events(connection, [world.topic], from_ms=0)]
    assert [one.data and one.data["request_id"] for one in events] == ["committed"]
    later = read_events(connection, [world.topic], from_ms=int(time.time() * 1000) + 60_000)
    assert [one async for one in later] == []
    begun = await begin_at_end(connection, f"{world.group}-new", world.topic)
    assert begun[TopicPartition(world.topic, 0)] == 4
    assert [one async for one in list_dead_letters(connection, world.topic)] == []
    with pytest.raises(NeverRetry, match="no dead letter at"):
        await show_dead_letter(connection, world.topic, 0, 3)
    await asks_the_doctor(world)
    await producer.abort()
    assert await held_up(connection, [world.topic], for_seconds=0) == []


async def asks_the_doctor(world: InboxWorld) -> None:
    found = await held_up(world.connection, [world.topic, world.dead_topic], for_seconds=0.1)
    assert found == [HeldUp(world.topic, 0, 4, 5)]
    requests, letters = await topic_findings(
        world.connection, [world.topic, world.dead_topic, "no-such-topic"]
    )
    assert (requests.ok, letters.ok) == (False, True)
    assert "an open transaction holds up partition 0 at offset 4 of 5" in requests.found
    assert "find-hanging" in requests.fix
    assert letters.found == "compression.type producer, as each producer does"


async def test_a_transaction_over_partitions_is_there_as_a_whole(
    world: InboxWorld, producer_of: Open
) -> None:
    await world.start()
    producer = await producer_of("confluent-kafka")
    await producer.begin()
    for partition in range(3):
        await producer.put(world.topic, partition, payload(f"of-one-{partition}"))
    await world.put(payload("after"), partition=1)
    await asyncio.gather(*(world.put(payload(f"other-{n}"), partition=2) for n in range(3)))
    await producer.commit()
    await world.at_rest()
    assert len(stored(world)) == 7
