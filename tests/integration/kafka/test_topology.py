"""Topics that change while they are read, and partitions that stand still: noticed, on the real broker."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions
from structlog.testing import capture_logs

from domain.errors import TryLater
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.inbox import refuse_free_partitions
from service.adapters.kafka.partition_watch import WatchTimes
from service.adapters.kafka.topic_provisioning import ensure_topics
from tests.kit.eventually import eventually
from tests.worlds.inbox import InboxWorld, Worker


@pytest.fixture
async def quick(connection: KafkaConnection) -> AsyncIterator[InboxWorld]:
    """A world whose clients look at topics anew each half second."""
    world = InboxWorld(replace(connection, topology_seconds=0.5))
    await world.open()
    yield world
    await world.close()


async def read(world: InboxWorld, partition: int) -> None:
    """Put a record there and see that it is read."""
    count = len(world.store.rows)
    await world.put(partition=partition)
    await eventually(lambda: len(world.store.rows) > count)


@pytest.mark.parametrize("partitions", [1, 3, 4])
async def test_a_topic_that_is_made_again_is_read_from_its_first_record(
    quick: InboxWorld, partitions: int
) -> None:
    """With fewer partitions, as many, or more; as many records stand there as were read of the old one."""
    worker = await quick.start()
    for number in (0, 0, 1):
        await read(quick, number)
    await quick.at_rest()
    await quick.admin.delete_topics([quick.topic])
    await ensure_topics(quick.connection, {quick.topic: {}}, partitions=partitions)
    for _ in range(2):
        await quick.put(partition=0)
    await eventually(lambda: len(quick.store.rows) == 5)
    await eventually(lambda: has_partitions(quick, partitions))
    await read(quick, partitions - 1)
    await eventually(lambda: ready(worker))
    assert worker.count("laurel_records_lost_total") == 0


async def ready(worker: Worker) -> bool:
    try:
        await worker.inbox.ping()
    except TryLater:
        return False
    return True


async def test_a_topic_that_is_made_again_unseen_is_read_from_its_first_record(world: InboxWorld) -> None:
    """Nothing was fetched meanwhile, it has as many partitions, and as many records as were read before."""
    worker = await world.start()
    await read(world, 0)
    await world.at_rest()
    consumer = worker.inbox._subscriber.consumer
    consumer.pause(*consumer.assignment())
    await eventually(lambda: not consumer._fetcher._in_flight)
    await world.admin.delete_topics([world.topic])
    await ensure_topics(world.connection, {world.topic: {}})
    await world.put(partition=0)
    consumer.resume(*consumer.assignment())
    await eventually(lambda: len(world.store.rows) == 2)


async def test_a_topic_that_grows_is_read_in_its_new_partitions_too(quick: InboxWorld) -> None:
    await quick.start()
    await quick.admin.create_partitions({quick.topic: NewPartitions(total_count=5)})
    await eventually(lambda: has_partitions(quick, 5))
    await read(quick, 4)


async def has_partitions(world: InboxWorld, count: int) -> bool:
    return len(await world.producer.partitions_for(world.topic)) == count


async def test_a_consumer_without_a_partition_is_not_ready_while_some_are_free(quick: InboxWorld) -> None:
    worker = await quick.start()
    elsewhere = quick.topic + "-too"
    await ensure_topics(quick.connection, {elsewhere: {}})
    await refuse_free_partitions(quick.connection, quick.group, [quick.topic])
    with pytest.raises(TryLater, match=f"3 are free, the first is {elsewhere}/0"):
        await refuse_free_partitions(quick.connection, quick.group, [quick.topic, elsewhere])
    await quick.admin.delete_topics([quick.topic])

    async def why_not_ready() -> str:
        try:
            await worker.inbox.ping()
        except TryLater as late:
            return late.message
        return ""

    why = await eventually(why_not_ready)
    assert "no partition is assigned to this consumer" in why
    assert worker.inbox.alive()


async def test_a_partition_that_stands_still_without_a_reason_ends_liveness_and_is_named(
    world: InboxWorld,
) -> None:
    """Its records wait at the brokers; one that waits for the store is a reason, and none for a restart."""
    world.times = WatchTimes(look=0.05, standstill=1.0)
    worker = await world.start()
    await world.put(partition=1)
    await world.at_rest()
    consumer = worker.inbox._subscriber.consumer
    with capture_logs() as said:
        consumer.pause(TopicPartition(world.topic, 1))
        await world.put(partition=1)
        await eventually(lambda: not worker.inbox.alive())
        consumer.resume(TopicPartition(world.topic, 1))
        await eventually(worker.inbox.alive)
        world.store.away = True
        await world.put(partition=2)
        await eventually(lambda: worker.count("laurel_partition_standstill_seconds") > 1.5)
        assert worker.inbox.alive()
    (still,) = [line for line in said if line["event"] == "partition_stands_still"]
    assert (still["partition"], still["position"], still["end"]) == (1, 1, 2)
