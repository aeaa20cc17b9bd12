"""The reconciler mends what a crash, a person or an outage left, one look at a time."""

import asyncio

import pytest

from domain.errors import NeverRetry, TryLater
from domain.ledger import Cause
from domain.lifecycle import State
from domain.run import Run
from service.lifecycle.worker_parts import reconciler_in
from service.promotion.reconciler import STATUS_JOB, Reconciler
from tests.fakes.model_registry import FakeModelRegistry
from tests.kit.builders import MODEL
from tests.worlds.stage import Stage, fails

DELETED = ("experiment", "run")
AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")


def reconciler(stage: Stage) -> Reconciler:
    return reconciler_in(stage.world, stage.projector, 10.0)


async def left_open(stage: Stage, *rmsle: float, refused: str = "") -> Run:
    """A run that ended while MLflow took no status."""
    fails("finish", stage, AWAY)
    if refused:
        fails("train", stage, NeverRetry(refused, "it never will"))
    return await stage.done(*rmsle)


async def undone(stage: Stage) -> list[str]:
    return [run.run_id for run in await stage.store.ended_without(MODEL, STATUS_JOB, 10)]


async def test_a_failed_run_whose_status_was_not_taken_gets_it(stage: Stage) -> None:
    run = await left_open(stage, refused="fit_failed")
    assert stage.tracker.runs[run.mlflow_run_id].status == "RUNNING"
    await reconciler(stage).look()
    record = stage.tracker.runs[run.mlflow_run_id]
    assert (record.status, record.tags["laurel.failure"]) == ("FAILED", "fit_failed")
    assert await undone(stage) == []


async def test_a_run_that_failed_before_it_had_a_record_gets_one(stage: Stage) -> None:
    """An accepted request has one MLflow run, even when MLflow was away all the time."""
    stage.script.always["open_run"] = AWAY
    fails("split", stage, NeverRetry("data_contract", "broken"))
    run = await stage.done(0.5)
    assert (run.state, run.mlflow_run_id) == (State.FAILED, None)
    stage.script.always.clear()
    await reconciler(stage).look()
    run = await stage.row(run.run_id)
    assert run.mlflow_run_id is not None
    assert stage.tracker.runs[run.mlflow_run_id].status == "FAILED"


async def test_a_rejected_request_has_no_record_to_close(stage: Stage) -> None:
    run = await stage.done(split_version="x")
    stage.memory.runs[run.run_id].chores_done.clear()
    await reconciler(stage).look()
    assert (stage.tracker.runs, await undone(stage)) == ({}, [])


async def test_a_worker_that_died_behind_an_end_leaves_the_right_status(stage: Stage) -> None:
    promoted, declined = await stage.done(0.5), await stage.done(0.6)
    for run in (promoted, declined):
        stage.memory.runs[run.run_id].chores_done.clear()
        stage.tracker.runs[run.mlflow_run_id].status = "RUNNING"
        stage.tracker.runs[run.mlflow_run_id].tags.pop("model_promoted")
    await reconciler(stage).look()
    for run, promoted_tag in ((promoted, "True"), (declined, "False")):
        record = stage.tracker.runs[run.mlflow_run_id]
        assert (record.status, record.tags["model_promoted"]) == ("FINISHED", promoted_tag)


async def test_a_record_that_was_deleted_holds_up_no_other(stage: Stage) -> None:
    first = await left_open(stage, refused="fit_failed")
    second = await left_open(stage, refused="fit_failed")
    del stage.tracker.runs[first.mlflow_run_id]
    await reconciler(stage).look()
    assert stage.tracker.runs[second.mlflow_run_id].status == "FAILED"
    assert await undone(stage) == []


async def test_a_record_in_mlflows_trash_holds_up_no_other_and_an_experiment_there_is_waited_for(
    stage: Stage,
) -> None:
    runs = [await left_open(stage, refused="fit_failed") for _ in range(2)]
    away = {what: TryLater(f"mlflow_{what}_deleted", "", waiting_on=f"mlflow_{what}") for what in DELETED}
    fails("finish", stage, away["experiment"])
    with pytest.raises(TryLater):
        await reconciler(stage).look()
    assert await undone(stage) == [run.run_id for run in runs]
    fails("finish", stage, away["run"])
    await reconciler(stage).look()
    assert stage.tracker.runs[runs[1].mlflow_run_id].status == "FAILED"
    assert await undone(stage) == []


async def test_a_status_that_is_still_not_taken_is_tried_again(stage: Stage) -> None:
    run = await left_open(stage, refused="fit_failed")
    fails("finish", stage, AWAY)
    task = asyncio.ensure_future(reconciler(stage).run_forever())
    await stage.clock.advance(1)
    assert await undone(stage) == [run.run_id]
    await stage.clock.advance(10)
    assert await undone(stage) == []
    task.cancel()


async def test_a_person_is_noticed_without_any_run(stage: Stage) -> None:
    await stage.done(0.5)
    await stage.by_hand("theirs")
    await reconciler(stage).look()
    head = await stage.ledger.head(MODEL)
    assert head is not None
    assert (head.cause, head.version) == (Cause.OVERRIDE, 2)
    assert stage.topics()[-1] == "model.promoted"


async def test_a_look_that_fails_is_followed_by_another(stage: Stage) -> None:
    await stage.done(0.5)
    await FakeModelRegistry.set_alias(stage.registry, MODEL, 1)
    fails("alias_version", stage, AWAY, NeverRetry("mlflow_refused", "403"))
    stage.registry.aliases.clear()
    task = asyncio.ensure_future(reconciler(stage).run_forever())
    await stage.clock.advance(25)
    assert stage.alias == 1
    assert not task.done()
    task.cancel()
