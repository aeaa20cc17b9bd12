"""Holds, quarantines and rollbacks race promoters on the real run store and ledger: nothing slips through.

Its cost: 20 promoters on the real ledger, and lifecycles that wait at the decision; `make soak` has 50.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from sqlalchemy import make_url

from domain.bar_announcement import quarantine_begun
from domain.errors import GenerationTaken, PromotionBarred
from domain.hold import CannotHold
from domain.ledger import Cause, LedgerEntry
from domain.lifecycle import Outcome
from domain.points import Point, Points
from domain.promotion_checks import Decision
from domain.quarantine import quarantines_by
from domain.rollback import rollback_entry, rolled_away
from domain.run import Run
from domain.run_actions import Actor
from domain.run_record import Decided
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.worker_parts import decide_in
from service.promotion.holding import PromotionHolding
from service.promotion.quarantining import Lifting
from tests.chaos.figures import FIGURES
from tests.chaos.report import ROUNDS
from tests.chaos.test_promotion_races import MODEL, Race, evaluated, racing, told
from tests.oracle.database import read_database
from tests.oracle.facts import Did
from tests.oracle.facts import World as Facts
from tests.oracle.ledger import ledger as ledger_is_sound

ANNA = Actor(name="anna", door="api", proven=True)


@pytest.fixture
async def race(database_url: str) -> AsyncIterator[Race]:
    """Promoters of one model in two processes."""
    async with racing(database_url) as race:
        yield race


class At(Points):
    """Does something whenever a point is passed."""

    def __init__(self, point: Point, do: Callable[[], Awaitable[object]]) -> None:
        self._point = point
        self._do = do

    async def at(self, point: Point) -> None:
        if point is self._point:
            await self._do()


async def carry(race: Race, name: str, error: float, world: RunPorts) -> Decision:
    """Carry one evaluated run to its end, as a runner does: judged again when the ledger refuses it."""
    run = await evaluated(name, world)
    seen = await world.ledger.head(MODEL)
    while True:
        try:
            decided, entry = await decide_in(world).decide(race.inputs(run, error, seen), race.score_head)
            if entry is not None:
                race.errors[entry.version] = error
            await world.points.at(Point.DECIDE_BEFORE_COMMIT)
            run = await _committed(run, decided, entry, world)
        except (GenerationTaken, PromotionBarred):
            continue
        if entry is not None:
            await show(world)
            await world.store.advance(run, Outcome.PERSISTED, output={})
        return decided.verdict.decision


async def _committed(run: Run, decided: Decided, entry: LedgerEntry | None, world: RunPorts) -> Run:
    outcome, announced = (Outcome.LOST, [told(run)]) if entry is None else (Outcome.WON, [])
    output = decided.model_dump(mode="json")
    return await world.store.advance(run, outcome, output=output, announcements=announced, entry=entry)


async def show(world: RunPorts) -> None:
    """Let alias and announcements follow the head."""
    projector = world.projector()
    shown = await projector.follow()
    assert shown is not None
    await projector.announce_up_to(shown)


async def roll_back(world: RunPorts, why: str) -> LedgerEntry:
    """Return to the generation before the head's, with what that leaves, whoever is first meanwhile."""
    while True:
        entries = await world.ledger.entries(MODEL)
        at, head = world.clock.now(), entries[-1]
        target = next((one for one in reversed(entries) if one.version != head.version), None)
        if target is None:  # one champion so far
            await asyncio.sleep(0.01)
            continue
        entry = rollback_entry(head, target, reason=why, actor="anna (api)", at=at, key=why)
        left = quarantines_by(entry, rolled_away(entries, target, head), {})
        try:
            await world.ledger.append(entry, quarantines=left, announcements=[*map(quarantine_begun, left)])
        except GenerationTaken:
            continue
        await show(world)
        return entry


def holding(world: RunPorts) -> PromotionHolding:
    return PromotionHolding(MODEL, world.holds, world.clock)


async def test_a_hold_that_begins_at_the_decision_lets_nothing_through(race: Race) -> None:
    """On each side of the registration, and right before the commit."""
    for number, point in enumerate(
        (Point.DECIDE_AFTER_BARS, Point.DECIDE_AFTER_REGISTER, Point.DECIDE_BEFORE_COMMIT)
    ):
        begun = False

        async def hold_once() -> None:
            nonlocal begun
            if not begun:
                begun = True
                await holding(race.worlds[1]).hold("prices look wrong", None, ANNA)

        world = replace(race.worlds[0], points=At(point, hold_once))
        assert await carry(race, f"held {number}", 0.5, world) is Decision.HELD
        assert await world.ledger.head(MODEL) is None
        await holding(race.worlds[1]).release(None, ANNA)


async def test_a_candidate_that_is_judged_while_promotions_are_released_ends_all_the_same(
    race: Race,
) -> None:
    """It was decided under the hold, or after it; never refused for a hold that is over."""
    decisions = set()
    for number in range(6):
        await holding(race.worlds[1]).hold("audit", None, ANNA)
        carried = carry(race, f"released {number}", 0.5 - number / 100, race.worlds[0])
        decision, _ = await asyncio.gather(carried, holding(race.worlds[1]).release(None, ANNA))
        decisions.add(decision)
    assert decisions <= {Decision.HELD, Decision.PROMOTE}


async def test_of_many_who_hold_one_does_and_the_others_are_told(race: Race) -> None:
    tried = [holding(race.worlds[place % 2]).hold(f"reason {place}", None, ANNA) for place in range(8)]
    done = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in done) == 1
    assert {getattr(one, "reason", "") for one in done if isinstance(one, BaseException)} == {"held_already"}


@pytest.mark.parametrize(
    ("rounds", "promoters", "rollbacks"),
    [(1, 20, 5), pytest.param(5 * ROUNDS, 50, 10, marks=pytest.mark.soak)],
)
async def test_promoters_beside_rollbacks_and_holds_keep_the_chain(
    rounds: int, promoters: int, rollbacks: int, race: Race, database_url: str, random: Random
) -> None:
    """No generation is lost or doubled, the alias is at the head, and no hold is passed."""
    worlds = race.worlds
    for turn in range(rounds):
        await carry(race, f"first of {turn}", 1.0 / (turn + 1), worlds[0])
        await asyncio.gather(
            *(
                carry(race, f"{turn}/{place}", random.uniform(0.1, 0.9) / (turn + 1), worlds[place % 2])
                for place in range(promoters)
            ),
            *(_some_time(random, _back(race, place, f"{turn} {place}")) for place in range(rollbacks)),
            *(_some_time(random, _hold_for_a_moment(worlds[place % 2])) for place in range(3)),
        )
    await show(worlds[0])
    entries = await worlds[0].ledger.entries(MODEL)
    assert [entry.generation for entry in entries] == list(range(1, len(entries) + 1))
    assert await worlds[0].registry.alias_version(MODEL) == entries[-1].version
    assert list(await worlds[0].ledger.unannounced(MODEL)) == []
    for before, after in pairwise(entries):
        if after.cause is Cause.GATE:
            assert race.errors[after.version] < race.errors[before.version]
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    did = Did(rollbacks=[entry.version for entry in race.rollbacks])
    facts = Facts(MODEL, did=did, **await asyncio.to_thread(read_database, url, MODEL))
    assert list(ledger_is_sound(facts, at_rest=True)) == []
    assert {run.state for run in facts.runs} <= {"COMPLETED", "DECLINED"}
    assert len(race.rollbacks) == rollbacks * rounds
    FIGURES.add("rollbacks beside promoters", len(race.rollbacks))


async def test_of_two_who_lift_a_quarantine_one_does(race: Race) -> None:
    for number, error in enumerate((0.5, 0.4)):
        await carry(race, f"champion {number}", error, race.worlds[0])
    await roll_back(race.worlds[0], "too high")
    lifts = [Lifting(MODEL, world.quarantines, world.clock).lift(2, "why", ANNA) for world in race.worlds]
    done = await asyncio.gather(*lifts, return_exceptions=True)
    assert sum(isinstance(one, BaseException) for one in done) == 1


async def _back(race: Race, place: int, why: str) -> None:
    race.rollbacks.append(await roll_back(race.worlds[place % 2], why))


async def _some_time(random: Random, do: Awaitable[object]) -> None:
    await asyncio.sleep(random.uniform(0, 1))
    await do


async def _hold_for_a_moment(world: RunPorts) -> None:
    """Between the answer to a hold and its release, nothing of the gate gets into the ledger."""
    try:
        await holding(world).hold("a moment", None, ANNA)
    except CannotHold:  # another holds already
        return
    before = len(await world.ledger.entries(MODEL))
    await asyncio.sleep(0.1)
    meanwhile = (await world.ledger.entries(MODEL))[before:]
    await holding(world).release(None, ANNA)
    assert [entry.cause for entry in meanwhile if entry.cause is Cause.GATE] == []
