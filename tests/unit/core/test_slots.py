"""A run that can only wait gives its slot back after a minute, and is taken again when it is due."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.errors import TryLater
from domain.lifecycle import State
from service.lifecycle.runner import Runner
from service.runtime.metrics import Waits
from service.runtime.retry import RetryPolicy
from tests.kit.builders import MODEL
from tests.worlds.stage import LEASE, Stage

AWAY = TryLater("mlflow_unavailable", "MLflow does not answer", waiting_on="mlflow")
GONE = TryLater("dvc_remote_unavailable", "no answer", waiting_on="dvc_remote")
RETRY = RetryPolicy(first_pause=2.0, longest_pause=30.0, budget=1200.0)
WAITS = 'laurel_waiting{service="mlflow"} 1.0'
BACK = 'laurel_slots_given_back_total{service="mlflow"}'


@pytest.fixture
def runner(stage: Stage) -> Runner:
    return stage.runner(retry=RETRY)


def shown(stage: Stage, series: str) -> bool:
    return series in stage.metrics.render().decode()


async def seconds_in_slot(stage: Stage, runner: Runner) -> float:
    """Take a run as far as it goes; how long that took."""
    began = stage.clock.monotonic()
    assert await stage.clock.finish(runner.run_one())
    return stage.clock.monotonic() - began


async def test_others_have_the_slot_of_a_run_that_waits_and_it_goes_on_when_it_is_due(
    stage: Stage, runner: Runner
) -> None:
    stage.script.always["open_run"] = AWAY
    waiting, refused = await stage.ask(), await stage.ask(no_such_field=1)
    assert 60 <= await seconds_in_slot(stage, runner) < 100
    row = await stage.row(waiting)
    assert (row.owner, row.waiting_on, row.ended) == (None, "mlflow", False)
    assert await seconds_in_slot(stage, runner) < 1
    assert (await stage.row(refused)).state is State.REJECTED
    assert not await runner.run_one(), "it is not due yet"
    assert shown(stage, WAITS)
    assert shown(stage, f"{BACK} 1.0")
    del stage.script.always["open_run"]
    done = await stage.carry(waiting, runner)
    assert (done.state, done.fence, done.waiting_on) == (State.COMPLETED, 2, None)
    assert not shown(stage, WAITS)


async def test_after_the_first_minute_each_claim_is_one_try(stage: Stage, runner: Runner) -> None:
    stage.script.always["open_run"] = AWAY
    await stage.ask()
    await seconds_in_slot(stage, runner)
    for _ in range(3):
        await stage.clock.advance(RETRY.longest_pause)
        assert await seconds_in_slot(stage, runner) == 0
    assert shown(stage, f"{BACK} 4.0")
    assert stage.script.calls["version"] == 1, "what was done meanwhile is kept"


async def test_what_is_at_work_keeps_the_slot_and_nothing_of_it_is_done_again(
    stage: Stage, runner: Runner
) -> None:
    """A long fit is not thrown away because the champion cannot be asked for."""
    await stage.done(0.5)
    before = stage.script.calls["train"]
    stage.script.gates["train"] = asyncio.Event()
    stage.script.always["registered"] = AWAY
    run_id = await stage.ask()
    carrying = asyncio.ensure_future(runner.run_one())
    await stage.clock.advance(900)
    assert not carrying.done()
    stage.script.gates["train"].set()
    await stage.clock.finish(_join(carrying))
    row = await stage.row(run_id)
    assert (row.owner, "package" in row.outputs) == (None, True)
    stage.script.always.clear()
    assert (await stage.carry(run_id, runner)).state is not State.FAILED
    assert stage.script.calls["train"] == before + 1


async def test_the_budget_counts_what_was_waited_without_a_slot_and_by_others(stage: Stage) -> None:
    stage.script.always["open_run"] = AWAY
    run_id, began = await stage.ask(), stage.clock.monotonic()
    runners = [stage.runner(name, RETRY) for name in ("one", "another")]
    run = await stage.row(run_id)
    while not run.ended:
        for runner in runners:
            await stage.clock.finish(runner.run_one())
        await stage.clock.advance(5)
        run = await stage.row(run_id)
    assert run.failure is not None
    assert (run.state, run.failure.reason) == (State.FAILED, "mlflow_unavailable")
    assert RETRY.budget < stage.clock.monotonic() - began < RETRY.budget + 200
    assert run.fence > 10


async def test_a_wait_of_another_call_starts_its_own_budget(stage: Stage, runner: Runner) -> None:
    """What one call waited is not held against the next."""
    run_id = await stage.ask()
    for call in ("open_run", "upload"):
        stage.script.always[call] = AWAY
        until = stage.clock.monotonic() + 0.7 * RETRY.budget
        while stage.clock.monotonic() < until:
            await stage.clock.finish(runner.run_one())
            await stage.clock.advance(5)
        stage.script.always.clear()
    assert (await stage.carry(run_id, runner)).state is State.COMPLETED


@pytest.mark.parametrize(
    "call", ["resolve", "split", "version", "train", "score_candidate", "register", "set_alias"]
)
async def test_wherever_a_run_waits_it_comes_to_its_end(call: str, stage: Stage, runner: Runner) -> None:
    stage.script.always[call] = GONE
    run_id = await stage.ask()
    for _ in range(40):
        await stage.clock.finish(runner.run_one())
        await stage.clock.advance(10)
    row = await stage.row(run_id)
    assert (row.owner, row.waiting_on) == (None, "dvc_remote")
    stage.script.always.clear()
    run = await stage.carry(run_id, runner)
    assert (run.state, stage.alias, len(stage.tracker.runs)) == (State.COMPLETED, 1, 1)
    assert len(stage.registry.versions[MODEL]) == 1


async def test_two_waits_side_by_side_give_one_slot_back(stage: Stage, runner: Runner) -> None:
    stage.script.always |= {"open_run": AWAY, "version": GONE}
    run_id = await stage.ask()
    assert await seconds_in_slot(stage, runner) < 200
    stage.script.always.clear()
    assert (await stage.carry(run_id, runner)).state is State.COMPLETED


async def test_the_log_goes_on_over_slots_and_workers(stage: Stage) -> None:
    """At first, every five minutes, and at the end; no line for each claim."""
    stage.script.always["open_run"] = AWAY
    run_id = await stage.ask()
    runners = [stage.runner(name, RETRY) for name in ("one", "another")]
    with capture_logs() as said:
        while stage.clock.monotonic() < 1000:
            for runner in runners:
                await stage.clock.finish(runner.run_one())
            await stage.clock.advance(7)
        stage.script.always.clear()
        await stage.carry(run_id, runners[0])
    lines: list[Any] = [line for line in said if line["event"] in {"waiting", "wait_over"}]
    assert [line["event"] for line in lines] == ["waiting"] * 4 + ["wait_over"]
    assert 1000 < lines[-1]["seconds"] < 1100


async def test_a_lease_that_is_lost_while_a_run_waits_gives_nothing_back(
    stage: Stage, runner: Runner
) -> None:
    stage.script.always |= {"open_run": AWAY, "renew": TryLater("away", "no answer", waiting_on="postgres")}
    run_id = await stage.ask()
    assert await seconds_in_slot(stage, runner) <= LEASE
    assert not shown(stage, f"{BACK} 1.0")
    assert (await stage.row(run_id)).owner == "worker-1"


def test_a_run_that_another_worker_took_is_not_shown_for_ever(stage: Stage) -> None:
    waits, metrics = Waits(), stage.metrics
    waits.begin("one", "mlflow", metrics)
    waits.begin("another", "mlflow", metrics)
    waits.over("another", metrics)
    assert shown(stage, WAITS)
    waits.put_off("one", due=100.0)
    waits.look(120.0, metrics)
    assert shown(stage, WAITS)
    waits.look(140.0, metrics)
    assert not shown(stage, WAITS)


async def _join(task: asyncio.Future[bool]) -> bool:
    return await task
