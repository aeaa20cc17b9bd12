"""Requests on the real broker: each is stored once, whatever repeats, restarts, moves or goes away."""

import asyncio
import json
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from structlog.testing import capture_logs

from domain.errors import NeverRetry, Stop
from domain.points import Point, Points
from service.adapters.kafka.reading import read_unread, readers_in
from tests.harm.holding import HoldAt
from tests.kit.eventually import eventually
from tests.kit.records import EVENT
from tests.worlds.inbox import Headers, InboxWorld, Worker


def event(event_id: str) -> Headers:
    return [(f"ce_{name}", text.encode()) for name, text in {**EVENT, "id": event_id}.items()]


async def test_fifty_copies_of_an_event_over_all_partitions_are_one_request(world: InboxWorld) -> None:
    """K01."""
    await world.start()
    await asyncio.gather(*(world.put(b"{}", event("1"), partition=n % 3) for n in range(50)))
    await world.at_rest()
    assert list(world.store.rows) == ["event:/gateway 1"]
    assert world.store.calls == 50
    assert await world.dead_letters() == []


async def test_a_whole_topic_replayed_changes_nothing(world: InboxWorld) -> None:
    """K02, B07: plain records have their places as identities."""
    for number in range(30):
        await world.put(json.dumps({"reason": str(number)}).encode(), partition=number % 3)
    worker = await world.start()
    await world.at_rest()
    before = dict(world.store.rows)
    await worker.stop()
    await rewind(world)
    await world.start()
    await eventually(lambda: world.store.calls == 60)
    await world.at_rest()
    assert world.store.rows == before
    assert len(before) == 30


async def rewind(world: InboxWorld) -> None:
    """Set the group back to the start, as the session of the stopped worker is over."""

    async def free() -> bool:
        (group,) = (await world.admin.describe_consumer_groups([world.group]))[0].groups
        return not group[5]

    await eventually(free)
    places = [TopicPartition(world.topic, number) for number in range(3)]
    consumer = AIOKafkaConsumer(**world.connection.options(), group_id=world.group, enable_auto_commit=False)
    await consumer.start()
    consumer.assign(places)
    await consumer.commit(dict.fromkeys(places, 0))
    await consumer.stop()


async def test_the_commit_is_exactly_the_record_and_only_after_it_was_stored(world: InboxWorld) -> None:
    hold = HoldAt(Point.INBOX_AFTER_INSERT)
    await world.start(points=hold)
    for partition in range(3):
        await world.put(partition=partition)
    await hold.reached.wait()
    committed, _ = await world.offsets()
    assert not any(committed.values())
    assert (await unread(world), await readers_in(world.connection, world.group)) == (3, 1)
    hold.go.set()
    await world.at_rest()
    assert await unread(world) == 0


async def unread(world: InboxWorld) -> int:
    """How many records a command would say that nobody has read."""
    return len([record async for record in read_unread(world.connection, world.group, world.topic)])


async def test_a_commit_refused_in_a_rebalance_is_redelivered_and_known(world: InboxWorld) -> None:
    """K04."""
    hold = HoldAt(Point.INBOX_AFTER_INSERT)
    await world.start("worker-1", points=hold)
    await world.put(partition=0)
    await hold.reached.wait()
    with capture_logs() as said:
        await world.start("worker-2")
        hold.go.set()
        await world.at_rest()
    assert any(line["event"] in {"commit_left_out", "commit_refused"} for line in said)
    assert len(world.store.rows) == 1
    assert world.store.calls == 2
    assert all(worker.count("laurel_consumer_restarts_total") == 0 for worker in world.workers)


async def test_a_restarted_worker_gets_its_partitions_back_at_once(world: InboxWorld) -> None:
    """Its session is 60 s: without a stable name the next event would wait for that."""
    first = await world.start(session_seconds=60)
    await world.put()
    await world.at_rest()
    await first.stop()
    began = time.monotonic()
    await world.start(session_seconds=60)
    await world.put()
    await world.at_rest()
    assert time.monotonic() - began < 20


async def test_while_the_store_is_away_nothing_is_committed_skipped_or_lost(world: InboxWorld) -> None:
    """C09: longer than the session, and the worker keeps its place in the group."""
    world.store.away = True
    with capture_logs() as said:
        worker = await world.start(session_seconds=1)
        for number in range(9):
            await world.put(b"{}", event(str(number)), partition=number % 3)
        await eventually(lambda: sum(line["event"] == "record_waits" for line in said) > 12)
        committed, _ = await world.offsets()
        assert not any(committed.values())
        world.store.away = False
        await world.at_rest()
    assert set(world.store.rows) == {f"event:/gateway {number}" for number in range(9)}
    waits = [line for line in said if line["event"] == "record_waits"]
    assert {line["reason"] for line in waits} == {"postgres_unavailable"}
    assert {line["offset"] for line in waits} == {0}
    assert worker.count("laurel_consumer_restarts_total") == 0


@pytest.mark.parametrize("fault", [NeverRetry("postgres_refused", "a pooler's"), ZeroDivisionError("ours")])
async def test_a_fault_that_is_not_the_records_makes_it_wait_and_never_a_dead_letter(
    world: InboxWorld, fault: Exception
) -> None:
    """Valid requests behind a pooler became dead letters."""
    world.store.fault = fault
    with capture_logs() as said:
        await world.start()
        await world.put(b"{}", event("1"))
        await eventually(lambda: sum(line["event"] == "record_waits" for line in said) > 1)
        committed, _ = await world.offsets()
        assert not any(committed.values())
        world.store.fault = None
        await world.at_rest()
    assert set(world.store.rows) == {"event:/gateway 1"}
    assert await world.dead_letters() == []


async def test_records_that_were_deleted_unread_raise_an_alarm_that_names_them(world: InboxWorld) -> None:
    """K08."""
    worker = await world.start()
    await world.put(b"{}", event("0"))
    await world.at_rest()
    await worker.stop()
    for number in range(1, 6):
        await world.put(b"{}", event(str(number)))
    place = TopicPartition(world.topic, 0)
    await world.admin.delete_records({place: RecordsToDelete(before_offset=4)})
    with capture_logs() as said:
        worker = await world.start()
        await world.at_rest()
        alarm = await eventually(lambda: [line for line in said if line["event"] == "records_lost"])
    assert dict(alarm[0]) | {"log_level": ""} == {
        "event": "records_lost",
        "log_level": "",
        "topic": world.topic,
        "partition": 0,
        "first": 1,
        "last": 3,
        "reads_on_at": 4,
    }
    assert set(world.store.rows) == {f"event:/gateway {number}" for number in (0, 4, 5)}
    assert worker.count("laurel_records_lost_total") == 1


class CancelOnce(Points):
    def __init__(self) -> None:
        self.done = False

    async def at(self, point: Point) -> None:
        if point is Point.INBOX_BEFORE_INSERT and not self.done:
            self.done = True
            raise asyncio.CancelledError


async def test_a_cancelled_handler_does_not_leave_a_deaf_consumer(world: InboxWorld) -> None:
    """K10: FastStream's loop ends for good; the inbox starts it anew and the record comes again."""
    worker = await world.start(points=CancelOnce())
    await world.put()
    await world.at_rest()
    assert len(world.store.rows) == 1
    assert worker.count("laurel_consumer_restarts_total") == 1


async def test_a_dead_coordinator_or_fetcher_is_noticed_and_replaced(world: InboxWorld) -> None:
    """K10: the library's own tasks, killed one after the other."""
    worker = await world.start()
    for number, name in enumerate(("coordinator", "fetcher", "consume loop")):
        await worker.inbox.started.wait()
        assert worker.inbox.alive()
        worker.inbox._vital()[name].cancel()
        await restarts(worker, number + 1)
        await world.put(partition=number)
    await world.at_rest()
    assert len(world.store.rows) == 3


async def restarts(worker: Worker, count: int) -> None:
    await eventually(lambda: worker.count("laurel_consumer_restarts_total") == count)


class StopOnce(Points):
    async def at(self, point: Point) -> None:
        if point is Point.INBOX_BEFORE_INSERT:
            raise Stop("schema_too_new", "the database is newer than this program")


async def test_a_handler_that_says_stop_ends_the_process_s_task(world: InboxWorld) -> None:
    worker = await world.start(points=StopOnce())
    await world.put()
    (done, _) = await asyncio.wait([worker.task], timeout=30)
    assert isinstance(done.pop().exception(), Stop)
    committed, _ = await world.offsets()
    assert not any(committed.values())


async def test_no_position_is_committed_past_a_record_whose_handler_said_stop(world: InboxWorld) -> None:
    """The watch looks at the partition while the process comes to its end."""
    worker = await world.start(points=StopOnce())
    delivery = worker.inbox._delivery
    pass_over, passed, stops = delivery.pass_over, list[int](), list[Stop]()
    delivery.on_stop = stops.append  # an end that takes its time

    async def noted(consumer: Any, place: TopicPartition, position: int) -> None:
        await pass_over(consumer, place, position)
        if place.partition == 0:
            passed.append(position)

    delivery.pass_over = noted  # type: ignore[method-assign] # what the watch asks for
    await eventually(lambda: passed)
    await world.put()
    await eventually(lambda: stops)
    looks = len(passed)
    await eventually(lambda: len(passed) > looks + 2)
    assert set(passed) == {0}
    committed, _ = await world.offsets()
    assert not any(committed.values())


async def test_a_ping_answers_once_the_consumer_has_joined(world: InboxWorld) -> None:
    worker = await world.start()
    await worker.inbox.ping()
