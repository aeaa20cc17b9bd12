"""What comes twice, late or by a worker that should be gone changes nothing.

Its cost: two worlds of workers, the second one with leases that must run out.
"""

import asyncio

from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.fleet import Worker, now
from tests.chaos.world import Chaos
from tests.kit.eventually import eventually
from tests.oracle.facts import World
from tests.worlds.own_requests import begin_at

_COPIES = 50
_LOST = '"event": "lease_lost"'
_KNOWN = '"event": "record_known"'
_QUICK = {"KAFKA__MAX_POLL_INTERVAL_SECONDS": "3", "WORKER__RECONCILE_SECONDS": "3600"}


async def says(worker: Worker, text: str, times: int) -> None:
    """Wait until a worker's log holds a text so often."""
    await eventually(lambda: worker.said(text) >= times)


async def taken_over(world: Chaos, worker: Worker) -> None:
    """Wait until another worker has claimed what this one held."""
    query = "SELECT owner FROM laurel.runs WHERE NOT ended AND owner IS NOT NULL"
    await eventually(lambda: worker.name not in {row[0] for row in world.rows(query)})


async def test_what_comes_again_changes_nothing(world: Chaos) -> None:
    (worker,) = await world.fleet.running("a")
    await _one_event_fifty_times_is_one_run(world)
    await _the_whole_topic_again_changes_nothing(world, worker)


async def _one_event_fifty_times_is_one_run(world: Chaos) -> None:
    """Case K01: twice, and fifty times at once over all partitions, for two workers."""
    (second,) = await world.fleet.running("b")
    for _ in range(2):
        await world.put({"model_version": 101}, event_id="twice")
    await asyncio.gather(
        *(world.put({"model_version": 105}, event_id="fifty", partition=copy % 3) for copy in range(_COPIES))
    )
    rested = await world.at_rest()
    assert len(rested.runs) == 2
    second.end()
    FIGURES.add("duplicates", _COPIES)
    FIGURES.add("duplicates → extra runs", len(rested.runs) - 2)


async def _the_whole_topic_again_changes_nothing(world: Chaos, worker: Worker) -> None:
    """Case K02: the group is set back to the beginning after the end."""
    await world.ask(101)  # weaker: declined
    before = await world.at_rest()
    worker.end()
    await begin_at(world.where.bootstrap_servers, world.where.group, world.begins)
    world.witness.commits.clear()  # they fell by our own hand
    known = worker.said(_KNOWN)
    worker.start()
    await worker.running()
    await says(worker, _KNOWN, known + len(world.witness.sent))
    after = await world.at_rest()
    assert _unchanging(after) == _unchanging(before)


def _unchanging(world: World) -> World:
    """What a replay must leave as it was: all but the samples, the fences and what plots are drawn from.

    Plots are drawn when there is time: those of the last run perhaps after the worker's restart.
    """
    drawn_from = ("/cache/", "/pictures/")
    return World(
        world.model_name,
        runs=world.runs,
        history=world.history,
        outbox=world.outbox,
        ledger=world.ledger,
        late=world.late,
        tracked=world.tracked,
        versions=world.versions,
        alias=world.alias,
        files={path: it for path, it in world.files.items() if not any(part in path for part in drawn_from)},
    )


async def test_a_worker_that_was_slow_or_asleep_changes_nothing(world: Chaos) -> None:
    await world.fleet.running("a", **_QUICK)
    await _a_long_step_amid_rebalances_is_started_once(world)
    await world.fleet.running("b", **_QUICK)
    await _a_worker_that_wakes_behind_its_successor_changes_nothing(world)
    await _a_relay_that_sleeps_between_two_events_sends_none_out_of_order(world)
    await world.at_rest()


async def _a_long_step_amid_rebalances_is_started_once(world: Chaos) -> None:
    """Case K03: a step of three times the poll limit, while workers join and leave the group."""
    world.declare("a step of 9 s")
    world.orders.hold_at(Point.TRAIN_CHILD_STARTED)
    await world.ask(101)
    await world.orders.held(Point.TRAIN_CHILD_STARTED)
    for _ in range(2):
        (joined,) = await world.fleet.running("c", **_QUICK)
        await asyncio.sleep(3)  # the length of the step is the case
        joined.end()
    await asyncio.sleep(3)
    world.orders.go(Point.TRAIN_CHILD_STARTED)
    world.fired("a step of 9 s")
    seen = await world.ended(1)
    assert world.orders.passed(Point.TRAIN_CHILD_STARTED) == 1
    assert [run.fence for run in seen.runs] == [1]


async def _a_worker_that_wakes_behind_its_successor_changes_nothing(world: Chaos) -> None:
    """Case K05: stopped in the middle, taken over, and awake again when the run has ended."""
    for number, point in enumerate(
        (Point.TRAIN_AFTER_FIT, Point.DECIDE_BEFORE_COMMIT, Point.PROJECT_BEFORE_ALIAS), start=1
    ):
        world.declare(f"stop at {point}")
        world.orders.hold_at(point)
        await world.ask(101 + 10 * number)
        sleeper = await world.held_worker(point)
        lost = sleeper.said(_LOST)
        sleeper.stop()
        world.orders.go(point)
        world.fired(f"stop at {point}")
        stopped = now()
        await taken_over(world, sleeper)
        FIGURES.sample("takeover", now() - stopped)
        seen = await world.ended(number + 1)
        sleeper.wake()
        await says(sleeper, _LOST, lost + 1)
    assert all(run.state == "COMPLETED" for run in seen.runs)
    assert len(seen.ledger) == len(seen.runs)
    FIGURES.add("stopped workers that woke behind their successor", 3)


async def _a_relay_that_sleeps_between_two_events_sends_none_out_of_order(world: Chaos) -> None:
    """Case K05 at `relay.before_send`: it has taken rows, sleeps for long, and wakes."""
    world.declare("stop at relay.before_send")
    world.orders.hold_at(Point.RELAY_BEFORE_SEND)
    await world.ask(141)
    sleeper = await world.held_worker(Point.RELAY_BEFORE_SEND)
    sleeper.stop()
    world.orders.go(Point.RELAY_BEFORE_SEND)
    await world.ask(151)
    await world.ended(6)
    sleeper.wake()
    world.fired("stop at relay.before_send")
