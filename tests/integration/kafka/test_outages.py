"""The broker goes away under a consumer, or answers and is not heard: it goes on by itself afterwards."""

import asyncio
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.errors import TryLater
from service.runtime.metrics import Metrics
from tests.harm.kafka_behind import Behind
from tests.harm.proxies import lost
from tests.harm.wire_formats import kafka
from tests.kit.eventually import eventually
from tests.worlds.inbox import InboxWorld

OFFSET_COMMIT = 8


async def test_lost_answers_to_a_commit_cost_no_restart_and_no_second_request(behind: Behind) -> None:
    """K06."""
    world = InboxWorld(behind.past)
    await world.open()
    worker = await world.start(connection=behind.through)
    fault = behind.proxy.add(lost(kafka(OFFSET_COMMIT), times=3))
    for number in range(9):
        await world.put(b'{"request_id": "%d"}' % number, partition=number % 3)
    await world.at_rest(within=60)
    assert fault.hits == 3
    assert len(world.store.rows) == 9
    assert worker.count("laurel_consumer_restarts_total") == 0
    await world.close()


async def test_a_broker_that_dies_under_a_consumer_and_comes_back_is_consumed_on(behind: Behind) -> None:
    """K06: while it is away the worker lives and says what it waits for."""
    world = InboxWorld(behind.past)
    await world.open()
    worker = await world.start()
    await world.put()
    await world.at_rest()
    behind.kill()
    with pytest.raises(TryLater) as away:
        await worker.inbox.ping()
    assert away.value.waiting_on == "kafka"
    await behind.restart()
    await eventually(partial(put, world))
    await world.at_rest(within=60)
    assert len(world.store.rows) == 2
    assert worker.inbox.alive()
    await worker.inbox.ping()
    await world.close()


async def put(world: InboxWorld) -> bool:
    await asyncio.wait_for(world.put(), 30)
    return True


async def test_a_worker_that_starts_without_a_broker_waits_and_then_consumes(behind: Behind) -> None:
    """C09."""
    world = InboxWorld(behind.past)
    await world.open()
    await world.put()
    behind.kill()
    metrics = Metrics()
    seen: list[Any] = []

    async def keep(record: Any) -> Any:
        seen.append(record)
        raise TryLater("postgres_unavailable", "not asked here", waiting_on="postgres")

    inbox = world.inbox(keep, "worker-1", metrics)
    with capture_logs() as said:
        task = asyncio.create_task(inbox.run())
        await eventually(lambda: [line for line in said if line["event"] == "consumer_not_started"])
        assert not inbox.started.is_set()
        assert inbox.alive()
        await behind.restart()
        await eventually(lambda: seen)
    task.cancel()
    await asyncio.wait([task])
    await world.close()


async def test_tasks_of_the_library_that_fail_are_noticed_and_the_consumer_is_replaced(
    world: InboxWorld,
) -> None:
    """K10: a fetcher that ended with an error makes even the library's own stop fail."""
    worker = await world.start()
    for number in range(2):
        await worker.inbox.started.wait()
        consumer = worker.inbox._subscriber.consumer
        broken = (
            (consumer._fetcher, "_get_actions_per_node") if number else (consumer._coordinator, "need_rejoin")
        )
        setattr(*broken, _fail)
        consumer._coordinator.request_rejoin()
        await restarted(worker, number + 1)
        await world.put(partition=number)
    await world.at_rest(within=60)
    assert len(world.store.rows) == 2


def _fail(*_: object) -> None:
    raise ZeroDivisionError("a defect in the library")


async def restarted(worker: Any, count: int) -> None:
    await eventually(lambda: worker.count("laurel_consumer_restarts_total") >= count)
