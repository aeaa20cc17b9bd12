"""Workers and children die at every place where they can: nothing is lost, doubled or torn."""

import asyncio
from collections.abc import Iterable
from itertools import cycle
from random import Random
from typing import Final

from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.fleet import now
from tests.chaos.world import BETTER_AND_BETTER, Chaos
from tests.oracle.facts import Kind

_THE_LISTENERS: Final = frozenset(point for point in Point if point.startswith("reload."))
_IN_CHILDREN: Final = (
    Point.SPLIT_AFTER_TEMP,
    Point.SPLIT_AFTER_RENAME,
    Point.VERSION_AFTER_ADD,
    Point.VERSION_AFTER_PUSH,
    Point.TRAIN_CHILD_STARTED,
    Point.TRAIN_AFTER_FIT,
)
_PAIRS: Final = 8
_AT_ONCE: Final = 3  # requests that wait or run


async def test_a_kill_at_every_crash_point_does_no_harm(world: Chaos) -> None:
    """Case C01: SIGKILL at every member of the enum; in a child, it alone, and with its worker."""
    points = sorted(set(Point) - _THE_LISTENERS)
    world.fleet.start("a")
    world.fleet.start("b")
    async with world.fleet.kept_alive():
        await _kill_at(points, world)
        await _kill_at(_IN_CHILDREN, world, worker_too=True)
    await world.at_rest()
    FIGURES.add("crash points hit", len(world.orders.killed()))
    FIGURES.add("crash points there are", len(points))


async def test_a_kill_in_the_recovery_from_a_kill_does_no_harm(world: Chaos, random: Random) -> None:
    """Case C02: seeded pairs; one worker, so that it recovers from the first before it dies at the second."""
    points = sorted(set(Point) - _THE_LISTENERS)
    world.fleet.start("a")
    async with world.fleet.kept_alive():
        for _ in range(_PAIRS):
            first, second = random.choice(points), random.choice(points)
            await _kill_at([first], world)
            await _kill_at([second], world)
            FIGURES.add("crash pairs")
    await world.at_rest()


async def _kill_at(points: Iterable[Point], world: Chaos, *, worker_too: bool = False) -> None:
    """Keep work coming until somebody has died at each point."""
    for point in points:
        world.declare(f"kill at {point}")
        world.orders.kill_at(point, worker_too=worker_too)
    models, deadline = cycle(BETTER_AND_BETTER), now() + 240
    while armed := world.orders.armed():
        assert now() < deadline, f"nobody passed {sorted(armed)}"
        if await _unfinished(world) < _AT_ONCE:
            await world.ask(next(models))
        if armed & {Point.DEADLETTER_BEFORE_SEND, Point.DEADLETTER_AFTER_SEND}:
            await world.put(b"{", kind=Kind.BAD)
        await asyncio.sleep(0.3)
    world.fired(*(f"kill at {point}" for point in points))


async def _unfinished(world: Chaos) -> int:
    ended = {"COMPLETED", "DECLINED", "REJECTED", "FAILED"}
    asked = sum(sent.kind is Kind.VALID for sent in world.witness.sent)
    try:
        seen = await world.look()
    except Exception:  # noqa: BLE001 - there are no tables yet
        return asked
    return asked - sum(row.state in ended for row in seen.runs)


async def test_random_kills_lose_double_and_tear_nothing(world: Chaos, random: Random) -> None:
    """Case C03: kill -9 of one of two workers every two to five seconds, for a minute."""
    workers = await world.fleet.running("a", "b")
    models, over, kills = cycle(BETTER_AND_BETTER), now() + 60, 0
    async with world.fleet.kept_alive():
        while now() < over:
            if await _unfinished(world) < _AT_ONCE:
                await world.ask(next(models))
            await asyncio.sleep(random.uniform(2, 5))
            random.choice(workers).kill()
            kills += 1
    world.declare("kill")
    world.fired("kill")
    rested = await world.at_rest()
    FIGURES.add("random kills: kills", kills)
    FIGURES.add("random kills: runs", len(rested.runs))
    FIGURES.add("random kills → lost, doubled, torn", 0)
