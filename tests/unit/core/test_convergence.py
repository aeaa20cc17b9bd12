"""Rounds on fakes and a clock of the test's own: who is asked, how often, and what is said of it."""

import asyncio
import json
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.announcement import Announcement
from domain.convergence import Problem, Replica, ReplicaObservation, RolloutTarget, Served
from domain.errors import NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.points import NO_POINTS
from service.rollout.convergence import Convergence
from service.rollout.replica_events import ReplicaReports
from service.rollout.replica_reloader import ReloadBudget, ReplicaReloader
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from tests.fakes.inference_servers import FakeInferenceServers
from tests.fakes.memory import Memory
from tests.fakes.outbox import FakeOutbox
from tests.fakes.promotion_ledger import FakePromotionLedger
from tests.harm.fake_time import FakeClock, settle
from tests.kit.builders import an_entry

AWAY = TryLater("postgres_unavailable", "no answer", waiting_on="postgres")
REFUSAL = Problem(reason="reload_refused", detail="status 500: the files differ")

PATIENCE = ReloadBudget(seconds=20.0, tries=3, pauses=RetryPolicy(first_pause=1.0, longest_pause=4.0))


class Store(FakePromotionLedger):
    """A ledger that can be away."""

    away = False
    reads = 0

    async def head(self, model_name: str) -> LedgerEntry | None:
        self.reads += 1
        if self.away:
            raise AWAY
        return await super().head(model_name)


class Sayings(FakeOutbox):
    """An outbox that can be away, or never take anything."""

    failing: Exception | None = None

    async def add(self, announcement: Announcement) -> None:
        if self.failing is not None:
            raise self.failing
        await super().add(announcement)


@dataclass
class World:
    """A model, its replicas, and a listener's insides."""

    servers: FakeInferenceServers
    clock: FakeClock = field(default_factory=FakeClock)
    metrics: Metrics = field(default_factory=Metrics)
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.ledger, self.outbox = Store(self.memory), Sayings(self.memory)
        self.restart()

    def restart(self) -> None:
        """A listener that remembers nothing."""
        reports = ReplicaReports(self.outbox, self.metrics, self.clock, model_name="price", listener="l")
        self.convergence = Convergence(
            self.ledger,
            self.servers,
            ReplicaReloader(self.servers, self.clock, NO_POINTS, PATIENCE),
            reports,
            model_name="price",
            metrics=self.metrics,
            poll_seconds=15,
        )

    async def promote(self, version: int) -> LedgerEntry:
        entry = an_entry(await self.ledger.head("price"), version, at=self.clock.now())
        await self.ledger.append(entry)
        return entry

    async def round(self) -> None:
        """One round, and all that follows from it."""

        async def whole() -> None:
            await self.convergence.round()
            await self.convergence.settled()

        await self.clock.finish(whole())

    def said(self) -> list[tuple[str, str, int]]:
        """Topic, replica and generation of everything in the outbox."""
        told = [row.announcement for row in self.memory.outbox]
        facts = [(event.topic, json.loads(event.body)) for event in told]
        return [(topic, fact["replica"], fact["generation"]) for topic, fact in facts]


async def test_who_serves_the_head_already_is_not_asked_to_reload() -> None:
    world = World(FakeInferenceServers("a", "b"))
    world.servers.served["a"] = Served(version=5, generation=1)
    await world.promote(5)
    await world.round()
    assert world.servers.asked == [("b", 1, 5)]
    assert sorted(world.said()) == [("inference.reloaded", "a", 1), ("inference.reloaded", "b", 1)]


async def test_before_the_first_promotion_nobody_is_asked_and_nothing_is_said() -> None:
    world = World(FakeInferenceServers("a"))
    await world.round()
    assert (world.servers.asked, world.said()) == ([], [])


async def test_a_replica_is_asked_a_few_times_with_pauses_and_then_once_in_each_round() -> None:
    world = World(FakeInferenceServers("a"))
    world.servers.refusing["a"] = REFUSAL
    await world.promote(5)
    await world.round()
    assert len(world.servers.asked) == 3
    assert [round(pause) for pause in world.clock.slept if pause] == pytest.approx([1, 2], abs=1)
    for _ in range(3):
        await world.round()
    assert len(world.servers.asked) == 6
    assert world.said() == [("inference.diverged", "a", 1)]


async def test_a_new_generation_is_tried_patiently_again() -> None:
    world = World(FakeInferenceServers("a"))
    world.servers.refusing["a"] = REFUSAL
    for version in (5, 6):
        await world.promote(version)
        await world.round()
    assert len(world.servers.asked) == 6
    assert world.said() == [("inference.diverged", "a", 1), ("inference.diverged", "a", 2)]


async def test_a_wrong_token_is_not_tried_again_in_the_same_round() -> None:
    world = World(FakeInferenceServers("a"))
    world.servers.refusing["a"] = Problem(reason="unauthorized", detail="status 401")

    async def look(_: Replica, *, seconds: float) -> ReplicaObservation:  # noqa: ARG001 - it answers at once
        return ReplicaObservation(problem=world.servers.refusing["a"])

    world.servers.look = look  # type: ignore[method-assign,assignment]
    await world.promote(5)
    await world.round()
    assert world.servers.asked == []
    assert world.said() == [("inference.diverged", "a", 1)]


async def test_the_newest_head_is_pursued_even_while_an_older_one_is() -> None:
    """A promotion comes while a replica that refuses is asked again and again."""
    world = World(FakeInferenceServers("a"))
    world.servers.refusing["a"] = REFUSAL
    await world.promote(5)
    await world.convergence.round()
    await world.clock.advance(0.1)
    await world.promote(6)
    del world.servers.refusing["a"]
    await world.round()
    assert world.servers.served["a"] == Served(version=6, generation=2)
    assert world.said() == [("inference.reloaded", "a", 2)]


async def test_a_replica_that_is_ahead_makes_the_listener_read_the_ledger_again() -> None:
    """Another listener heard of the next promotion first."""
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    await world.convergence.round()
    await world.promote(6)
    world.servers.served["a"] = Served(version=6, generation=2)
    await world.clock.finish(world.convergence.settled())
    assert world.said() == [("inference.reloaded", "a", 2)]
    assert world.servers.asked == []


async def test_a_replica_that_read_a_later_generation_from_a_tag_is_told_the_ledgers() -> None:
    world = World(FakeInferenceServers("a", "b"))
    world.servers.mistaken = {"a"}
    for server in ("a", "b"):
        world.servers.served[server] = Served(version=5, generation=10**15)
    await world.promote(5)
    await world.round()
    assert world.servers.served["a"] == Served(version=5, generation=1)
    assert world.said() == [("inference.reloaded", "a", 1), ("inference.diverged", "b", 1)]


async def test_what_the_store_cannot_take_is_said_later_and_once(
    logs: Sequence[MutableMapping[str, Any]],
) -> None:
    world = World(FakeInferenceServers("a", "b"))
    await world.promote(5)
    world.outbox.failing = AWAY
    await world.round()
    assert world.said() == []
    assert any(line["event"] == "replica_event_waits" for line in logs)
    world.outbox.failing = None
    await world.round()
    world.restart()
    await world.round()
    assert sorted(world.said()) == [("inference.reloaded", "a", 1), ("inference.reloaded", "b", 1)]


async def test_what_the_store_will_never_take_does_not_hold_up_the_rest() -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    world.outbox.failing = NeverRetry("not_storable", "no")
    await world.round()
    world.outbox.failing = None
    await world.promote(6)
    await world.round()
    assert world.said() == [("inference.reloaded", "a", 2)]


async def test_without_the_ledger_the_newest_promotion_that_was_heard_counts() -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    await world.round()
    world.ledger.away = True
    world.convergence.promoted(RolloutTarget(generation=2, version=6, promotion_id="p2"))
    world.convergence.promoted(RolloutTarget(generation=1, version=5, promotion_id="p1"))
    await world.round()
    assert world.servers.served["a"] == Served(version=6, generation=2)


async def test_with_the_ledger_an_event_that_claims_more_changes_nothing() -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    world.convergence.promoted(RolloutTarget(generation=99, version=66, promotion_id="p"))
    await world.round()
    world.ledger.away = True
    await world.round()
    assert world.servers.asked == [("a", 1, 5)]


async def test_news_begin_a_round_at_once_and_what_is_known_begins_none() -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    running = asyncio.create_task(world.convergence.run())
    await settle()
    reads = world.ledger.reads
    for _ in range(100):
        world.convergence.promoted(RolloutTarget(generation=1, version=5, promotion_id="p1"))
        await settle()
    assert world.ledger.reads == reads
    await world.promote(6)
    world.convergence.promoted(RolloutTarget(generation=2, version=6, promotion_id="p2"))
    await settle()
    await world.clock.finish(world.convergence.settled())
    assert world.servers.served["a"] == Served(version=6, generation=2)
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_each_change_of_a_replica_is_one_line(logs: Sequence[MutableMapping[str, Any]]) -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    for down in (False, False, True, True, False):
        world.servers.down = {"a"} if down else set()
        await world.round()
    world.servers.servers.clear()
    await world.round()
    changes = [line for line in logs if line["event"] == "replica_changed"]
    assert [(line["state"], line["log_level"]) for line in changes] == [
        ("serving", "info"),
        ("unreachable", "warning"),
        ("serving", "info"),
    ]
    assert [line["replica"] for line in logs if line["event"] == "replica_gone"] == ["a"]
    assert 'laurel_replicas{state="serving"} 0.0' in world.metrics.render().decode()


async def test_a_defect_in_one_pursuit_leaves_the_others_alone(
    logs: Sequence[MutableMapping[str, Any]],
) -> None:
    world = World(FakeInferenceServers("a", "b"))
    look = world.servers.look

    async def broken(replica: Replica, *, seconds: float) -> ReplicaObservation:
        if replica.url == "a":
            raise ZeroDivisionError
        return await look(replica, seconds=seconds)

    world.servers.look = broken  # type: ignore[method-assign]
    await world.promote(5)
    await world.round()
    assert world.said() == [("inference.reloaded", "b", 1)]
    assert any(line["event"] == "defect" for line in logs)


async def test_the_time_is_taken_only_of_promotions_that_this_listener_could_see() -> None:
    world = World(FakeInferenceServers("a"))
    await world.promote(5)
    await world.clock.advance(3600)
    world.restart()
    await world.round()
    assert "laurel_convergence_seconds_count 0.0" in world.metrics.render().decode()
    await world.promote(6)
    await world.round()
    assert "laurel_convergence_seconds_count 1.0" in world.metrics.render().decode()
