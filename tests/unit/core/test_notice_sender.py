"""Every channel is told once, in bounded tries, and none waits for another."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from domain.errors import TryLater
from domain.notices import Notice
from domain.ports.notices import Claimed, NoticeClaim
from service.notifications.sender import DeliveryLimits, NoticeSender
from service.runtime.metrics import Metrics
from tests.fakes.memory import Memory
from tests.fakes.notices import FakeNotices
from tests.harm.fake_time import FakeClock, settle
from tests.kit.builders import NOW

BOUNDS = DeliveryLimits(tries=4, first_pause=2.0, try_seconds=10.0, budget=100.0)


@dataclass
class Room:
    """A channel that refuses as often as it is told to, or hangs; `heard` are the ids that came."""

    name: str
    refuses: int = 0
    hangs: bool = False
    heard: list[str] = field(default_factory=list)
    asked: int = 0

    async def send(self, notice: Notice) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.asked <= self.refuses:
            raise TryLater("channel_unavailable", f"{self.name} did not take the message")
        self.heard.append(notice.event_id)


class Stage:
    """Rooms, a clock and a memory that several senders share."""

    def __init__(self, *rooms: Room, bounds: DeliveryLimits = BOUNDS) -> None:
        self.clock = FakeClock()
        self.memory = Memory(now=lambda: NOW + timedelta(seconds=self.clock.monotonic()))
        self.notices = FakeNotices(self.memory)
        self.rooms = rooms
        self.metrics = Metrics()
        self.bounds = bounds

    def sender(self) -> NoticeSender:
        return NoticeSender(self.notices, self.rooms, self.clock, self.bounds, self.metrics)

    async def tell(self, event_id: str, sender: NoticeSender | None = None) -> None:
        await self.clock.finish((sender or self.sender()).tell(notice(event_id)))

    def counted(self, outcome: str, room: str) -> float:
        return next(
            (
                float(line.rsplit(" ", 1)[1])
                for line in self.metrics.render().decode().splitlines()
                if line.startswith("laurel_notices_total{")
                and f'outcome="{outcome}"' in line
                and f'channel="{room}"' in line
            ),
            0.0,
        )


def notice(event_id: str) -> Notice:
    return Notice(event_id=event_id, subject="failed", severity="failure", title="t", body="b")


async def test_every_channel_hears_of_an_event_once_however_often_it_comes() -> None:
    stage = Stage(Room("a"), Room("b"))
    for _ in range(3):
        await stage.tell("event 1")
    await stage.tell("event 2")
    assert [room.heard for room in stage.rooms] == [["event 1", "event 2"]] * 2
    assert stage.counted("sent", "a") == 2
    assert stage.counted("known", "a") == 2


async def test_a_channel_is_tried_again_with_growing_pauses() -> None:
    stage = Stage(Room("a", refuses=3))
    await stage.tell("event 1")
    assert stage.clock.slept == [2.0, 4.0, 8.0]
    assert stage.rooms[0].heard == ["event 1"]


@pytest.mark.parametrize(("tries", "shares"), [(1, [1.0]), (2, [1.0]), (4, [1.0, 0.75, 0.5])])
async def test_what_a_channel_refuses_is_never_sent_again_as_it_was(tries: int, shares: list[float]) -> None:
    """Where there is one try only, the short form has another."""
    sent: list[Notice] = []

    class Strict(Room):
        async def send(self, notice: Notice) -> None:
            sent.append(notice)
            if notice.body != notice.whole_at:
                raise TryLater("channel_unavailable", "413", refused=True)

    stage = Stage(Strict("a"), bounds=replace(BOUNDS, tries=tries))
    await stage.tell("event 1")
    assert [one.share for one in sent] == [*shares, 1.0]
    assert stage.counted("sent", "a") == 1


async def test_the_last_try_that_the_budget_leaves_is_short() -> None:
    sent: list[Notice] = []

    class Refusing(Room):
        async def send(self, notice: Notice) -> None:
            sent.append(notice)
            raise TryLater("channel_unavailable", "500", refused=True)

    bounds = DeliveryLimits(tries=100, first_pause=2.0, try_seconds=1, budget=20)
    await Stage(Refusing("a"), bounds=bounds).tell("event 1")
    assert [one.body == one.whole_at for one in sent] == [False, False, False, True]


async def test_a_dead_channel_is_given_up_and_the_others_have_theirs() -> None:
    stage = Stage(Room("dead", refuses=10**6), Room("b"))
    await stage.tell("event 1")
    await stage.tell("event 1")
    assert (stage.rooms[0].asked, stage.rooms[1].heard) == (4, ["event 1"])
    assert stage.counted("given_up", "dead") == 1


async def test_after_it_was_given_up_a_channel_gets_one_try_until_it_takes_one() -> None:
    stage = Stage(Room("a", refuses=6))
    sender = stage.sender()
    for number in range(1, 6):
        await stage.tell(f"event {number}", sender)
    assert stage.rooms[0].asked == 4 + 1 + 1 + 1 + 1
    assert stage.rooms[0].heard == ["event 4", "event 5"]
    stage.rooms[0].refuses = 100
    await stage.tell("event 6", sender)
    assert stage.rooms[0].asked == 8 + 4


async def test_no_try_begins_when_the_budget_is_over() -> None:
    stage = Stage(
        Room("a", refuses=10**6), bounds=DeliveryLimits(tries=100, first_pause=2.0, try_seconds=1, budget=20)
    )
    await stage.tell("event 1")
    assert stage.clock.monotonic() <= 20
    assert stage.rooms[0].asked == 4


async def test_a_channel_that_hangs_keeps_no_other_waiting() -> None:
    stage = Stage(Room("hangs", hangs=True), Room("b"))
    task = asyncio.create_task(stage.sender().tell(notice("event 1")))
    await settle()
    assert stage.rooms[1].heard == ["event 1"]
    task.cancel()
    await asyncio.wait([task])


async def test_what_another_process_has_in_hand_comes_again_and_is_not_sent_twice() -> None:
    stage = Stage(Room("hangs", hangs=True), Room("b"))
    task = asyncio.create_task(stage.sender().tell(notice("event 1")))
    await settle()
    with pytest.raises(TryLater) as later:
        await stage.tell("event 1")
    assert later.value.reason == "notice_in_hand"
    assert (stage.rooms[0].asked, stage.rooms[1].heard) == (1, ["event 1"])
    task.cancel()
    await asyncio.wait([task])


async def test_nobody_knows_if_a_message_arrived_whose_sender_died_so_it_is_noted_and_not_sent_again(
    logs: list[MutableMapping[str, Any]],
) -> None:
    stage = Stage(Room("a"))
    dead = NoticeClaim(event_id="event 1", channel="a", claim_id="of the dead")
    assert await stage.notices.claim(dead, 1) is Claimed.MINE
    await stage.clock.advance(BOUNDS.held_seconds)
    for _ in range(2):
        await stage.tell("event 1")
    assert stage.rooms[0].asked == 0
    assert stage.counted("unclear", "a") == 1
    assert [line for line in logs if line["event"] == "notice_unclear"] == [
        {"event": "notice_unclear", "channel": "a", "event_id": "event 1", "log_level": "warning"}
    ]


async def test_a_process_that_ends_between_two_tries_leaves_the_next_one_to_begin_anew() -> None:
    stage = Stage(Room("a", refuses=1))
    task = asyncio.create_task(stage.sender().tell(notice("event 1")))
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await stage.tell("event 1")
    assert stage.rooms[0].heard == ["event 1"]


async def test_a_living_process_is_never_silent_for_as_long_as_a_dead_one() -> None:
    longest_silence = BOUNDS.pause_after(BOUNDS.tries - 1) + BOUNDS.try_seconds
    assert longest_silence < BOUNDS.held_seconds


async def test_while_the_store_is_away_for_one_channel_the_others_are_told() -> None:
    class AwayForA(FakeNotices):
        async def claim(self, claim: NoticeClaim, held_seconds: float) -> Claimed:
            if claim.channel == "a":
                raise TryLater("postgres_unavailable", "no answer", waiting_on="postgres")
            return await super().claim(claim, held_seconds)

    stage = Stage(Room("a"), Room("b"))
    stage.notices = AwayForA(stage.memory)
    with pytest.raises(TryLater):
        await stage.tell("event 1")
    assert [room.heard for room in stage.rooms] == [[], ["event 1"]]
