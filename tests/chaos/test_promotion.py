"""Promoters race, sleep and die: the ledger is a chain, and the alias comes to its head.

Its cost: lifecycles whose promoter sleeps longer than its lease.
"""

from collections.abc import Iterator
from itertools import count

from domain.points import Point
from tests.chaos.world import Chaos


async def test_a_promoter_that_sleeps_or_dies_leaves_the_alias_at_the_head(world: Chaos) -> None:
    """Case P03: held behind its commit or its alias write while another promotes, then let go or killed."""
    await world.fleet.running("a", "b")
    models = count(101, 3)
    async with world.fleet.kept_alive():
        for point in (Point.DECIDE_AFTER_COMMIT, Point.PROJECT_AFTER_ALIAS):
            for then in ("go", "kill"):
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
