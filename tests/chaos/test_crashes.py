"""Workers and children die at every place where they can: nothing is lost, doubled or torn.

Its cost is 60 kills, each with a restart and a run that goes on. `make soak` kills each child together with
its worker, kills in seeded pairs, each round from a seed of its own, and kills at random: CHAOS_ROUNDS says
how often.
"""

import asyncio
from collections.abc import Sequence
from itertools import cycle
from random import Random
from typing import Final

import psycopg
import pytest

from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.fleet import now
from tests.chaos.points import NOT_THE_WORKERS
from tests.chaos.report import ROUNDS
from tests.chaos.world import BETTER_AND_BETTER, ENDS, Chaos
from tests.oracle.facts import Kind

_IN_CHILDREN: Final = (
    Point.SPLIT_AFTER_SPILL,
    Point.SPLIT_AFTER_TEMP,
    Point.SPLIT_AFTER_RENAME,
    Point.VERSION_AFTER_ADD,
    Point.VERSION_AFTER_PUSH,
    Point.TRAIN_CHILD_STARTED,
    Point.TRAIN_AFTER_FIT,
)
_PAIRS: Final = 8
_SECONDS: Final = 60
_AT_ONCE: Final = 3  # requests that wait or run


@pytest.mark.timeout(1800)  # it takes two minutes; only what hangs takes ten times that
async def test_a_kill_at_every_crash_point_does_no_harm(world: Chaos) -> None:
    """Case C01: SIGKILL at every member of the enum; in a child, it alone, and once with its worker.

    All are ordered at once, so that who recovers from a kill dies at the next point that it passes.
    """
    points = sorted(set(Point) - NOT_THE_WORKERS)
    await _kill_two_workers_at(points, world, with_children=(Point.TRAIN_AFTER_FIT,))
    FIGURES.add("crash points hit", len(world.orders.killed()))
    FIGURES.add("crash points there are", len(points))


@pytest.mark.soak
@pytest.mark.timeout(1800)
async def test_a_kill_of_a_child_with_its_worker_does_no_harm(world: Chaos) -> None:
    """Case C01: at every point that a child passes."""
    await _kill_two_workers_at((), world, with_children=_IN_CHILDREN)


async def _kill_two_workers_at(
    points: Sequence[Point], world: Chaos, *, with_children: Sequence[Point]
) -> None:
    world.fleet.start("a")
    world.fleet.start("b")
    async with world.fleet.kept_alive():
        await _kill_at(points, world)
        await _kill_at(with_children, world, worker_too=True)
    await world.at_rest()


@pytest.mark.soak
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_kill_in_the_recovery_from_a_kill_does_no_harm(
    world: Chaos, random: Random, number: int
) -> None:
    """Case C02: seeded pairs; one worker, so that it recovers from the first before it dies at the second."""
    del number  # the fixture `random` has it from the test's name
    await _kill_in_pairs(_PAIRS, world, random)


async def _kill_in_pairs(pairs: int, world: Chaos, random: Random) -> None:
    points = sorted(set(Point) - NOT_THE_WORKERS)
    world.fleet.start("a")
    async with world.fleet.kept_alive():
        for _ in range(pairs):
            first, second = random.choice(points), random.choice(points)
            await _kill_at([first], world)
            await _kill_at([second], world)
            FIGURES.add("crash pairs")
    await world.at_rest()


async def _kill_at(points: Sequence[Point], world: Chaos, *, worker_too: bool = False) -> None:
    """Keep work coming until somebody has died at each point."""
    for point in points:
        world.declare(f"kill at {point}")
        world.orders.kill_at(point, worker_too=worker_too)
    models, deadline = cycle(BETTER_AND_BETTER), now() + 1200
    while armed := world.orders.armed():
        assert now() < deadline, f"nobody passed {sorted(armed)}"
        if await _unfinished(world) < _AT_ONCE:
            await world.ask(next(models))
        if armed & {Point.DEADLETTER_BEFORE_SEND, Point.DEADLETTER_AFTER_SEND}:
            await world.put(b"{", kind=Kind.BAD)
        await asyncio.sleep(0.5)
    world.fired(*(f"kill at {point}" for point in points))


async def _unfinished(world: Chaos) -> int:
    asked = sum(sent.kind is Kind.VALID for sent in world.witness.sent)
    try:
        seen = await world.look_again()
    except psycopg.ProgrammingError:  # nobody has made the tables yet
        return asked
    return asked - sum(row.state in ENDS for row in seen.runs)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_random_kills_lose_double_and_tear_nothing(world: Chaos, random: Random, number: int) -> None:
    """Case C03: kill -9 of one of two workers every two to five seconds, for a minute."""
    del number
    await _kill_now_and_then(_SECONDS, world, random)


async def _kill_now_and_then(seconds: float, world: Chaos, random: Random) -> None:
    workers = await world.fleet.running("a", "b")
    models, over, kills = cycle(BETTER_AND_BETTER), now() + seconds, 0
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
