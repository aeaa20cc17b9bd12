"""The relay: committed announcements go out in order, each at least once, whatever breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from domain.errors import NeverRetry, TryLater
from domain.points import Point, Points
from service.messaging.relay import OutboxRelay
from service.runtime.clock import SystemClock
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from tests.kit.eventually import eventually
from tests.worlds.relay import RowsInMemory, Wire, row

AWAY = TryLater("kafka_unavailable", "gone", waiting_on="kafka")


def relay(
    outbox: RowsInMemory, wire: Wire, points: Points | None = None, hold_seconds: float = 3.0
) -> OutboxRelay:
    return OutboxRelay(
        outbox,
        wire,
        metrics=Metrics(),
        clock=SystemClock(),
        points=points or Points(),
        retries=RetryPolicy(first_pause=0.01, longest_pause=0.05),
        idle_seconds=0.05,
        hold_seconds=hold_seconds,
    )


@asynccontextmanager
async def running(one: OutboxRelay) -> AsyncIterator[None]:
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_run_goes_out_in_the_order_of_its_commits() -> None:
    outbox, wire = RowsInMemory(*(row(seq, "a") for seq in range(1, 8))), Wire()
    assert await relay(outbox, wire).turn()
    assert wire.acknowledged == [f"e{seq}" for seq in range(1, 8)]
    assert outbox.sent == list(range(1, 8))


async def test_the_next_row_of_a_run_is_not_even_tried_before_the_acknowledgement() -> None:
    outbox, wire = RowsInMemory(row(1, "a"), row(2, "a"), row(3, "b")), Wire()
    wire.held["e1"] = asyncio.Event()
    async with running(relay(outbox, wire)):
        await eventually(lambda: "e3" in wire.acknowledged)
        assert wire.attempts == ["e1", "e3"]
        wire.held["e1"].set()
        await eventually(lambda: len(outbox.sent) == 3)
    assert wire.acknowledged == ["e3", "e1", "e2"]


async def test_generations_follow_each_other_across_runs() -> None:
    outbox = RowsInMemory(
        row(1, "a", "model.promoted"),
        row(2, "b", "model.promoted"),
        row(3, None, "model.promoted"),
        row(4, "c"),
    )
    wire = Wire()
    wire.refuse["e1"] = AWAY
    one = relay(outbox, wire)
    assert not await one.turn()
    assert wire.acknowledged == ["e4"]
    wire.refuse.clear()
    assert await one.turn()
    assert wire.acknowledged == ["e4", "e1", "e2", "e3"]


async def test_what_fails_holds_up_its_own_run_only() -> None:
    outbox = RowsInMemory(row(1, "a"), row(2, "a"), row(3, "b"), row(4, "b"))
    wire = Wire()
    wire.refuse["e1"] = NeverRetry("event_too_large", "too large")
    assert not await relay(outbox, wire).turn()
    assert outbox.sent == [3, 4]
    assert "e2" not in wire.attempts


async def test_after_an_outage_everything_drains_in_order() -> None:
    outbox, wire = RowsInMemory(*(row(seq, "a") for seq in range(1, 500))), Wire()
    wire.refuse["e1"] = AWAY
    async with running(relay(outbox, wire)):
        await eventually(lambda: wire.attempts.count("e1") > 2)
        assert not wire.acknowledged
        wire.refuse.clear()
        await eventually(lambda: len(outbox.sent) == 499)
    assert wire.acknowledged == [f"e{seq}" for seq in range(1, 500)]


async def test_a_row_that_is_committed_while_it_waits_goes_out_at_once() -> None:
    outbox, wire = RowsInMemory(), Wire()
    async with running(relay(outbox, wire)):
        outbox.commit(row(1, "a"))
        await eventually(lambda: outbox.sent == [1])


async def test_one_that_is_not_the_relay_sends_nothing_until_it_is() -> None:
    outbox, wire = RowsInMemory(row(1, "a")), Wire()
    outbox.relay = False
    one = relay(outbox, wire)
    assert await one.turn()
    assert not wire.attempts
    outbox.relay = True
    await one.turn()
    assert outbox.sent == [1]


async def test_it_stays_the_relay_while_kafka_takes_its_time() -> None:
    """The store gives the lock to another process when it hears nothing of the one that holds it."""
    outbox, wire = RowsInMemory(row(1, "a")), Wire()
    wire.held["e1"] = asyncio.Event()
    async with running(relay(outbox, wire, hold_seconds=0.01)):
        await eventually(lambda: outbox.asked > 5)
        assert wire.attempts == ["e1"]
        wire.held["e1"].set()
        await eventually(lambda: outbox.sent == [1])


async def test_a_relay_that_is_stopped_leaves_nothing_running() -> None:
    outbox, wire = RowsInMemory(row(1, "a")), Wire()
    wire.held["e1"] = asyncio.Event()
    async with running(relay(outbox, wire)):
        await eventually(lambda: wire.attempts)
    wire.held["e1"].set()
    await asyncio.sleep(0)
    assert not outbox.sent


class Killed(BaseException):
    """What no handler catches."""


class CrashAt(Points):
    def __init__(self, point: Point) -> None:
        self.point = point

    async def at(self, point: Point) -> None:
        if point is self.point:
            raise Killed


@pytest.mark.parametrize(
    ("point", "sends"),
    [(Point.RELAY_BEFORE_SEND, 1), (Point.RELAY_AFTER_SEND, 2), (Point.RELAY_AFTER_MARK, 1)],
)
async def test_a_crash_around_the_send_loses_nothing_and_repeats_at_most_the_same_event(
    point: Point, sends: int
) -> None:
    outbox, wire = RowsInMemory(row(1, "a"), row(2, "a")), Wire()
    with suppress(BaseExceptionGroup):
        await relay(outbox, wire, CrashAt(point)).turn()
    await relay(outbox, wire).turn()
    assert wire.acknowledged.count("e1") == sends
    assert wire.acknowledged[-1] == "e2"
    assert set(outbox.sent) == {1, 2}
