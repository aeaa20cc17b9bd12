"""Promoters race, sleep and die: the ledger is a chain, and the alias comes to its head.

Its cost: lifecycles whose promoter sleeps longer than its lease. `make soak` has each of the four cases.
"""

from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from domain.points import Point
from tests.chaos.world import Chaos

_CASES = (
    ("go", Point.DECIDE_AFTER_COMMIT),
    ("kill", Point.DECIDE_AFTER_COMMIT),
    ("go", Point.PROJECT_AFTER_ALIAS),
    ("kill", Point.PROJECT_AFTER_ALIAS),
)


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param((_CASES[2],), id="one sleeps"),
        pytest.param(_CASES, id="all", marks=pytest.mark.soak),
    ],
)
async def test_a_promoter_that_sleeps_or_dies_leaves_the_alias_at_the_head(
    world: Chaos, cases: Sequence[tuple[str, Point]]
) -> None:
    """Case P03: held behind its commit or its alias write while another promotes, then let go or killed."""
    await world.fleet.running("a", "b")
    models = count(101, 3)
    async with world.fleet.kept_alive():
        for then, point in cases:
            await _while_another_promotes(world, point, then, models)
    rested = await world.at_rest()
    assert all(run.state == "COMPLETED" for run in rested.runs)
    assert {row.cause for row in rested.ledger} == {"gate"}


async def _while_another_promotes(world: Chaos, point: Point, then: str, models: Iterator[int]) -> None:
    fault = f"{then} at {point} behind another promotion"
    world.declare(fault)
    before = len(world.witness.sent)
    world.orders.hold_at(point)
    await world.ask(next(models))
    holder = await world.held_worker(point)
    world.orders.hold_at(Point.DECIDE_BEFORE_EFFECT)  # so that the second is judged when the first has won
    await world.ask(next(models))
    await world.orders.held(Point.DECIDE_BEFORE_EFFECT)
    world.orders.go(Point.DECIDE_BEFORE_EFFECT)
    await world.promoted(before + 2)
    if then == "kill":
        holder.kill()
    world.orders.go(point)
    world.fired(fault)
    await world.ended(before + 2)
