"""MLflow loses answers, is away, or answers nonsense: one record, no false champion, and the work goes on.

Its cost: one world, and outages in the steps of a lifecycle. `make soak` has one at each step, and loses each
answer in a run of its own.
"""

from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest

from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.world import BETTER_AND_BETTER, Chaos
from tests.harm.proxies import Fault, FaultProxy, cut, err, hole, lost
from tests.harm.wire_formats import Http, http
from tests.kit.eventually import eventually
from tests.worlds.servers import MlflowServer

POSTS = {
    "create run": "runs/create",
    "create logged model": "logged-models ",
    "create version": "model-versions/create",
    "log batch": "runs/log-batch",
    "set alias": "registered-models/alias",
}
READING = http("GET", "registered-models/get")
NONSENSE: dict[str, Fault] = {
    "400": err(400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "alias prod not found"}', READING),
    "403": err(403, '{"error_code": "PERMISSION_DENIED", "message": "no"}', READING),
    "404 of a wrong route": err(404, "<html>not found</html>", READING, content_type="text/html"),
    "500": err(500, "oops", READING),
    "HTML with 200": err(200, "<html>sign in</html>", READING, content_type="text/html"),
    "half a JSON": cut(READING),
    "silence": hole(READING),
}


@pytest.fixture
async def proxy(mlflow_server: MlflowServer) -> AsyncIterator[FaultProxy]:
    """Where the workers believe MLflow to be."""
    address = urlsplit(mlflow_server.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        yield proxy


async def hits(fault: Fault, count: int) -> None:
    """Wait until a fault has struck so often."""
    await eventually(lambda: fault.hits >= count)


async def test_what_mlflow_does_costs_no_record_no_champion_and_no_worker(
    world: Chaos, proxy: FaultProxy
) -> None:
    (worker,) = await world.fleet.running("a", MLFLOW_TRACKING_URI=proxy.url)
    await _lost_answers_leave_one_record(world, proxy, [dict.fromkeys(POSTS, 3)])
    await _an_outage_is_waited_for(world, proxy, ("train", "decide", "persist"))
    await _nonsense_about_the_alias_is_never_no_champion(world, proxy)
    worker.end()
    await _an_outage_without_end_fails_the_run_and_not_the_worker(world, proxy)
    rested = await world.at_rest(within=60)
    orphans = sum("laurel.orphan" in run.tags for run in rested.tracked)
    FIGURES.add("answers lost → orphans made, all tagged", orphans)


@pytest.mark.soak
async def test_an_outage_at_every_step_is_waited_for(world: Chaos, proxy: FaultProxy) -> None:
    await world.fleet.running("a", MLFLOW_TRACKING_URI=proxy.url)
    await _an_outage_is_waited_for(
        world, proxy, ("split", "version", "train", "evaluate", "decide", "persist")
    )
    await world.at_rest(within=60)


@pytest.mark.soak
async def test_each_lost_answer_leaves_one_record(world: Chaos, proxy: FaultProxy) -> None:
    """Case M01, in a run of its own each."""
    await world.fleet.running("a", MLFLOW_TRACKING_URI=proxy.url)
    await _lost_answers_leave_one_record(
        world, proxy, [{name: times} for name in POSTS for times in (1, 2, 3)]
    )
    await world.at_rest(within=60)


async def _lost_answers_leave_one_record(
    world: Chaos, proxy: FaultProxy, lost_in_runs: list[dict[str, int]]
) -> None:
    """Case M01: the answer to each creating call is lost, up to three times."""
    versions = iter(BETTER_AND_BETTER[::3])
    for losses in lost_in_runs:
        faults = {
            f"{name}, {times}": proxy.add(lost(http("POST", POSTS[name]), times=times))
            for name, times in losses.items()
        }
        world.declare(*faults)
        await world.ask(next(versions))
        seen = await world.ended(len(world.witness.sent))
        for fault in faults.values():
            await hits(fault, 1)  # what is read back and adopted is not asked for again
            FIGURES.add("answers lost", fault.hits)
        world.fired(*faults)
        proxy.clear()
    assert all(run.state == "COMPLETED" for run in seen.runs), [run.failure for run in seen.runs]


async def _an_outage_is_waited_for(world: Chaos, proxy: FaultProxy, steps: Sequence[str]) -> None:
    """Case M02: MLflow is away from before a step on, until the run says that it waits for it."""
    for number, step in enumerate(steps, start=len(world.witness.sent)):
        point = Point(f"{step}.before_effect")
        world.declare(f"away at {point}")
        world.orders.hold_at(point)
        await world.ask(101 + 5 * number)
        await world.orders.held(point)
        await proxy.close_door()
        world.orders.go(point)
        await eventually(lambda: "mlflow" in world.waiting())
        await proxy.open_door()
        world.fired(f"away at {point}")
        seen = await world.ended(number + 1)
    assert all(run.state == "COMPLETED" for run in seen.runs)
    assert world.waiting() == set()


async def _nonsense_about_the_alias_is_never_no_champion(world: Chaos, proxy: FaultProxy) -> None:
    """Case P05: whatever is wrong with the answer, nobody is promoted as the first champion."""
    reigning = [row.generation for row in (await world.look()).ledger]
    first, *_ = NONSENSE.values()
    proxy.add(first)
    await world.ask(101)  # worse than the champion: alone it would be promoted
    for name, fault in NONSENSE.items():
        world.declare(name)
        proxy.clear()
        proxy.add(fault)
        await proxy.cut_connections()
        await hits(fault, 2)
        assert [row.generation for row in (await world.look()).ledger] == reigning
        world.fired(name)
    proxy.clear()
    await proxy.cut_connections()
    seen = await world.ended(len(world.witness.sent))
    assert sorted(run.state for run in seen.runs) == [*["COMPLETED"] * len(reigning), "DECLINED"]


async def _an_outage_without_end_fails_the_run_and_not_the_worker(world: Chaos, proxy: FaultProxy) -> None:
    """Case M02: the budget is over; when MLflow is back its record says FAILED, and the next run goes on."""
    await world.fleet.running(
        "b", MLFLOW_TRACKING_URI=proxy.url, WORKER__WAIT_BUDGET_SECONDS="1", WORKER__RETRY_SECONDS_MAX="0.3"
    )
    before = {run.run_id for run in (await world.look()).runs}
    world.declare("away for ever")
    world.orders.hold_at(Point.EVALUATE_BEFORE_EFFECT)
    await world.ask(101)
    await world.orders.held(Point.EVALUATE_BEFORE_EFFECT)
    await proxy.close_door()
    world.orders.go(Point.EVALUATE_BEFORE_EFFECT)
    seen = await world.ended(len(world.witness.sent))
    (run,) = (run for run in seen.runs if run.run_id not in before)
    assert (run.state, (run.failure or {})["reason"]) == ("FAILED", "mlflow_unavailable")
    await proxy.open_door()
    world.fired("away for ever")
    await world.ask(151)
    seen = await world.ended(len(world.witness.sent))
    assert sorted(run.state for run in seen.runs if run.run_id not in before) == ["COMPLETED", "FAILED"]
