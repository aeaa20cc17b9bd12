"""The runner: what it claims it carries through the table's states, and it always ends or gives back."""

import asyncio
from typing import Any

import pytest

from domain.errors import GenerationTaken, IllegalTransition, NeverRetry, TryLater
from domain.events import ModelPromoted
from domain.lifecycle import Outcome, State, Step
from domain.points import Point
from domain.ports.run_store import Added
from domain.run import Run
from tests.harm.fake_time import settle
from tests.harm.holding import HoldAt
from tests.kit.builders import MODEL, TRIPLE, a_request
from tests.worlds.stage import LEASE, RETRY, Stage, fails

WAY = [
    State.REQUESTED,
    State.RESOLVED,
    State.SPLIT,
    State.VERSIONED,
    State.TRAINED,
    State.EVALUATED,
    State.PROMOTED,
    State.COMPLETED,
]
AWAY = TryLater("mlflow_unavailable", "MLflow does not answer", waiting_on="mlflow")
DIED = TryLater("step_died", "the child died of signal 9")
REFUSES = NeverRetry("fit_failed", "the estimator says no")

# One call in each step before PROMOTED, by its name in the script.
CALLS = {
    Step.RESOLVE: "resolve",
    Step.SPLIT: "split",
    Step.VERSION: "version",
    Step.TRAIN: "train",
    Step.EVALUATE: "score_candidate",
    Step.DECIDE: "register",
}


async def test_nothing_to_do_is_said(stage: Stage) -> None:
    assert await stage.runner().run_one() is False


async def test_a_first_candidate_goes_through_every_state_in_order(stage: Stage) -> None:
    run = await stage.done(0.5)
    assert await stage.states(run.run_id) == WAY
    assert stage.topics() == ["split.completed", "model.evaluated", "model.promoted"]
    assert stage.alias == 1
    assert stage.config.active == TRIPLE


async def test_the_oldest_request_is_carried_first(stage: Stage) -> None:
    first, second = await stage.ask(), await stage.ask()
    await stage.clock.finish(stage.runner().run_one())
    assert (await stage.row(first)).ended
    assert not (await stage.row(second)).ended


async def test_each_lifecycle_has_one_record_and_its_status_is_closed(stage: Stage) -> None:
    run = await stage.done(0.5)
    record = stage.tracker.runs[run.mlflow_run_id]
    assert (record.status, record.tags["model_promoted"]) == ("FINISHED", "True")
    assert len(stage.tracker.runs) == 1
    assert await stage.store.ended_without(MODEL, "status", 10) == []


async def test_a_weaker_candidate_is_declined_and_registers_nothing(stage: Stage) -> None:
    await stage.done(0.5)
    run = await stage.done(0.6)
    assert run.state is State.DECLINED
    assert stage.topics(run.run_id) == ["split.completed", "model.evaluated", "model.declined"]
    assert len(stage.registry.versions[MODEL]) == 1
    record = stage.tracker.runs[run.mlflow_run_id]
    assert (record.status, record.tags["model_promoted"]) == ("FINISHED", "False")


async def test_a_request_that_may_not_run_is_rejected_and_has_no_record(stage: Stage) -> None:
    run = await stage.done(split_version="one", model_versoin=3)
    assert run.state is State.REJECTED
    assert stage.topics() == ["training.rejected"]
    assert run.failure is not None
    assert {fault["field"] for fault in run.failure.facts["faults"]} == {"split_version", "model_versoin"}
    assert stage.tracker.runs == {}


async def test_rejections_are_announced_however_many_faults_there_are(stage: Stage) -> None:
    run = await stage.done(**{f"field_{number}{'x' * 200}": 1 for number in range(4000)})
    assert (run.state, stage.topics()) == (State.REJECTED, ["training.rejected"])


@pytest.mark.parametrize("step", CALLS)
async def test_a_step_that_can_never_succeed_fails_the_run_at_once(step: Step, stage: Stage) -> None:
    fails(CALLS[step], stage, REFUSES)
    run = await stage.done(0.5)
    assert run.state is State.FAILED
    assert run.failure is not None
    assert run.failure.reason == "fit_failed"
    assert stage.topics()[-1] == "training.failed"
    assert stage.topics().count("training.failed") == 1


@pytest.mark.parametrize("step", [step for step in CALLS if step is not Step.RESOLVE])
async def test_the_record_of_a_failed_run_is_closed_before_that_is_announced(
    step: Step, stage: Stage
) -> None:
    fails(CALLS[step], stage, REFUSES)
    run = await stage.done(0.5)
    record = stage.tracker.runs[run.mlflow_run_id]
    assert (record.status, record.tags["laurel.failure"]) == ("FAILED", "fit_failed")
    assert "model_promoted" not in record.tags
    assert await stage.store.ended_without(MODEL, "status", 10) == []


async def test_a_status_that_mlflow_does_not_take_is_left_to_the_reconciler(stage: Stage) -> None:
    fails("train", stage, REFUSES)
    fails("finish", stage, AWAY)
    run = await stage.done(0.5)
    assert run.state is State.FAILED
    assert [left.run_id for left in await stage.store.ended_without(MODEL, "status", 10)] == [run.run_id]


@pytest.mark.parametrize("step", CALLS)
async def test_a_defect_fails_its_run_alone(step: Step, stage: Stage) -> None:
    fails(CALLS[step], stage, ZeroDivisionError("a secret in its text"))
    broken = await stage.ask()
    healthy = await stage.ask()
    run = await stage.carry(broken)
    assert run.failure is not None
    assert run.failure.reason == "internal_error"
    assert "secret" not in run.failure.message
    assert (await stage.carry(healthy)).state is State.COMPLETED


async def test_a_step_that_the_table_does_not_know_is_a_defect_of_that_run(stage: Stage) -> None:
    fails("split", stage, IllegalTransition("illegal_transition", "cannot happen"))
    run = await stage.done(0.5)
    assert run.failure is not None
    assert run.failure.reason == "internal_error"


@pytest.mark.parametrize("step", CALLS)
async def test_a_death_is_tried_again_and_then_forgotten(step: Step, stage: Stage) -> None:
    fails(CALLS[step], stage, DIED, DIED)
    run = await stage.done(0.5)
    assert run.state is State.COMPLETED


async def test_the_third_death_is_the_last(stage: Stage) -> None:
    fails("train", stage, DIED, DIED, DIED)
    run = await stage.done(0.5)
    assert run.failure is not None
    assert (run.state, run.failure.reason) == (State.FAILED, "step_died")
    assert stage.script.calls["train"] == RETRY.max_attempts


async def test_between_two_tries_the_lease_is_free_and_the_pauses_grow(stage: Stage) -> None:
    fails("train", stage, DIED, DIED)
    run_id = await stage.ask()
    await stage.clock.finish(stage.runner().run_one())
    run = await stage.row(run_id)
    assert (run.owner, run.attempts, run.state) == (None, 1, State.VERSIONED)
    assert run.failure is not None
    assert await stage.runner().run_one() is False
    await stage.clock.advance(2.5)
    await stage.clock.finish(stage.runner().run_one())
    await stage.clock.advance(2.5)
    assert await stage.runner().run_one() is False
    await stage.clock.advance(2.5)
    await stage.clock.finish(stage.runner().run_one())
    assert (await stage.row(run_id)).state is State.COMPLETED


async def test_a_run_that_kills_its_workers_is_a_crash_loop_behind_three_spent_starts(stage: Stage) -> None:
    """C06: nobody lives to count the attempt, so it is counted before the step begins."""
    run_id = await stage.ask()
    for _ in range(RETRY.max_attempts):
        run = await stage.store.claim(MODEL, "worker-1", LEASE)
        assert run is not None
        await stage.store.begin(run)
        await stage.clock.advance(LEASE + 1)  # killed: nothing is given back
    run = await stage.carry(run_id)
    assert run.failure is not None
    assert (run.state, run.failure.reason) == (State.FAILED, "crash_loop")
    assert run.failure.facts["attempts"] == RETRY.max_attempts
    assert stage.script.calls["resolve"] == 0


async def test_waiting_for_a_service_spends_no_attempt(stage: Stage) -> None:
    fails("create_model", stage, *[AWAY] * 10)
    run = await stage.done(0.5)
    assert run.state is State.COMPLETED


@pytest.mark.parametrize("error", [REFUSES, DIED, AWAY, ZeroDivisionError()])
async def test_a_promoted_run_never_fails_whatever_happens(error: Exception, stage: Stage) -> None:
    fails("write_defaults", stage, *[error] * 12)
    run = await stage.done(0.5)
    assert run.state is State.COMPLETED
    assert stage.alias == 1
    assert "training.failed" not in stage.topics()


async def test_a_promoted_run_outlasts_every_budget(stage: Stage) -> None:
    fails("set_alias", stage, *[AWAY] * 40)
    run = await stage.done(0.5)
    assert run.state is State.COMPLETED
    assert stage.clock.monotonic() > 2 * RETRY.budget


async def test_a_promoted_run_is_no_crash_loop(stage: Stage) -> None:
    run_id = await stage.ask()
    stage.script.always["write_defaults"] = AWAY
    carrying = asyncio.ensure_future(stage.runner().run_one())
    await settle()
    assert (await stage.row(run_id)).state is State.PROMOTED
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    for _ in range(2 * RETRY.max_attempts):
        run = await stage.store.claim(MODEL, "worker-2", LEASE)
        assert run is not None
        await stage.store.begin(run)
        await stage.clock.advance(LEASE + 1)
    stage.script.always.clear()
    assert (await stage.carry(run_id)).state is State.COMPLETED


@pytest.mark.parametrize("step", list(Step))
async def test_a_worker_that_ends_in_a_step_gives_lease_and_attempt_back_at_once(step: Step) -> None:
    """K11: the next worker goes on from there without waiting for the lease to run out."""
    hold = HoldAt(Point(f"{step}.before_effect"))
    stage = Stage(points=hold)
    run_id = await stage.ask()
    carrying = asyncio.ensure_future(stage.runner().run_forever())
    await asyncio.wait_for(hold.reached.wait(), 10)
    carrying.cancel()
    await asyncio.gather(carrying, return_exceptions=True)
    run = await stage.row(run_id)
    assert (run.owner, run.attempts) == (None, 0)
    before = stage.clock.monotonic()
    assert await stage.clock.finish(stage.runner("worker-2").run_one())
    assert (await stage.row(run_id)).state is State.COMPLETED
    assert stage.clock.monotonic() - before < LEASE


async def test_a_store_that_is_away_at_a_commit_is_waited_for_within_the_lease(stage: Stage) -> None:
    away = TryLater("postgres_unavailable", "gone", waiting_on="postgres")
    fails("advance", stage, away, away, away)
    run = await stage.done(0.5)
    assert (run.state, run.fence) == (State.COMPLETED, 1)


async def test_a_worker_whose_lease_was_taken_over_changes_nothing_more(stage: Stage) -> None:
    """K05: stopped for longer than the lease, it wakes while another one works."""
    stage.script.gates["train"] = asyncio.Event()
    stage.script.always["renew"] = TryLater("postgres_unavailable", "gone", waiting_on="postgres")
    run_id = await stage.ask()
    first = asyncio.ensure_future(stage.runner().run_one())
    await stage.clock.advance(LEASE + 1)
    assert first.done()
    assert stage.script.cancelled == ["train"]
    stage.script.always.clear()
    stage.script.gates.clear()
    run = await stage.carry(run_id, stage.runner("worker-2"))
    assert (run.state, run.fence) == (State.COMPLETED, 2)
    assert await stage.states(run_id) == WAY


async def test_a_candidate_whose_head_moved_is_judged_again_against_the_new_one() -> None:
    """P09: the insert is refused; the new champion, which is better, is scored on the same bytes."""
    hold = HoldAt(Point.DECIDE_BEFORE_COMMIT)
    slow = Stage(points=hold)
    run_id = await slow.ask()
    carrying = asyncio.ensure_future(slow.runner().run_one())
    await asyncio.wait_for(hold.reached.wait(), 10)
    rival = await slow.done(0.4)
    assert rival.state is State.COMPLETED
    hold.go.set()
    slow.trainer.candidate = 0.5
    await slow.clock.finish(_wait(carrying))
    run = await slow.row(run_id)
    assert run.state is State.DECLINED
    assert run.outputs["decide"]["champion"]["score"]["metrics"]["rmsle"] == 0.4
    assert slow.topics(run_id).count("model.evaluated") == 1
    assert [row.announcement.topic for row in slow.memory.outbox].count(ModelPromoted.topic) == 1
    assert slow.alias == 2


async def test_a_better_one_whose_head_moved_wins_the_next_generation() -> None:
    hold = HoldAt(Point.DECIDE_BEFORE_COMMIT)
    slow = Stage(points=hold)
    slow.trainer.candidate = 0.3
    run_id = await slow.ask()
    carrying = asyncio.ensure_future(slow.runner().run_one())
    await asyncio.wait_for(hold.reached.wait(), 10)
    await slow.done(0.4)
    hold.go.set()
    await slow.clock.finish(_wait(carrying))
    run = await slow.row(run_id)
    assert (run.state, run.outputs["decide"]["generation"]) == (State.COMPLETED, 2)
    version = slow.registry.versions[MODEL][run.outputs["decide"]["version"] - 1]
    assert version.tags["laurel.generation"] == "2"
    assert slow.alias == version.version


async def _wait(task: "asyncio.Future[bool]") -> bool:
    return await task


async def test_a_redelivered_request_makes_no_second_run(stage: Stage) -> None:
    request = a_request("once")
    run_id = await stage.ask(request)
    await stage.carry(run_id)
    assert await stage.store.add(request) is Added.KNOWN
    assert await stage.runner().run_one() is False


async def test_losers_are_retried_without_end_as_long_as_the_head_moves(stage: Stage) -> None:
    taken = GenerationTaken("generation_taken", "another was first")
    run_id = await stage.ask()
    advance = stage.store.advance
    refusals = [taken, taken]

    async def refusing(run: Run, outcome: Outcome, **facts: Any) -> Run:
        if facts.get("entry") is not None and refusals:
            raise refusals.pop()
        moved: Run = await advance(run, outcome, **facts)
        return moved

    stage.store.advance = refusing
    run = await stage.carry(run_id)
    assert (run.state, refusals) == (State.COMPLETED, [])
    assert len(stage.registry.versions[MODEL]) == 1
