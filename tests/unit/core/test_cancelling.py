"""A run that somebody cancels ends at once, whoever holds it, and leaves nothing half done."""

import asyncio
import json

import pytest

from domain.errors import TryLater
from domain.lifecycle import State
from domain.run import Run
from domain.run_actions import Actor, CannotCancel
from service.lifecycle.cancel import Cancelling
from tests.harm.fake_time import settle
from tests.worlds.stage import Stage

AWAY = TryLater("mlflow_unavailable", "gone", waiting_on="mlflow")
NIGHT = Actor(name="night", door="api", proven=True)
SOMEBODY = Actor(name="root@host", door="command line", proven=False)


def cancelling(stage: Stage) -> Cancelling:
    return Cancelling(stage.store, stage.clock, 900_000)


async def begun(stage: Stage, at: str) -> tuple[str, "asyncio.Task[bool]"]:
    """A run whose worker is in the middle of a call."""
    stage.script.gates[at] = asyncio.Event()
    run_id = await stage.ask()
    carried = asyncio.ensure_future(stage.runner().run_one())
    while not stage.script.calls[at]:
        await settle()
    return run_id, carried


def counted(stage: Stage) -> str:
    return stage.metrics.render().decode()


async def test_a_run_that_nobody_holds_ends_at_once_and_says_who_ended_it(stage: Stage) -> None:
    run_id = await stage.ask()

    ended = await cancelling(stage).cancel(await stage.row(run_id), SOMEBODY, " wrong data ")

    assert (ended.state, ended.owner, ended.mlflow_run_id) == (State.FAILED, None, None)
    said = json.loads(stage.memory.outbox[-1].announcement.body)
    assert (said["reason"], said["state"], said["step"]) == ("cancelled", "REQUESTED", "resolve")
    assert said["message"] == "cancelled by root@host (command line, not proven): wrong data"
    assert said["facts"] == {
        "by": "root@host",
        "door": "command line",
        "proven": False,
        "reason": "wrong data",
    }
    assert await stage.runner().run_one() is False


@pytest.mark.parametrize("call", ["split", "train", "score_candidate"])
async def test_its_worker_stops_the_work_and_closes_the_record_at_once(stage: Stage, call: str) -> None:
    run_id, carried = await begun(stage, call)

    await cancelling(stage).cancel(await stage.row(run_id), NIGHT, None)
    assert await asyncio.wait_for(carried, 30)

    ended = await stage.row(run_id)
    assert ended.state is State.FAILED
    assert call in stage.script.cancelled
    assert [stage.tracker.runs[ended.mlflow_run_id].status] == ["FAILED"]
    assert await stage.store.ended_without(ended.model_name, "status", 10) == []
    assert stage.topics().count("training.failed") == 1
    assert stage.held[-1] is None
    assert 'laurel_runs_ended_total{state="FAILED"} 1.0' in counted(stage)
    assert "laurel_leases_lost_total 0.0" in counted(stage)


async def test_a_record_that_cannot_be_closed_is_left_to_the_reconciler(stage: Stage) -> None:
    run_id, carried = await begun(stage, "train")
    stage.script.always["finish"] = AWAY

    await cancelling(stage).cancel(await stage.row(run_id), NIGHT, None)
    assert await stage.clock.finish(asyncio.wait_for(carried, 30))

    left = await stage.store.ended_without((await stage.row(run_id)).model_name, "status", 10)
    assert [run.run_id for run in left] == [run_id]


async def test_a_repeat_changes_nothing_and_names_the_first(stage: Stage) -> None:
    before = await stage.row(await stage.ask())
    first = await cancelling(stage).cancel(before, NIGHT, "once")

    for seen in (before, first):
        again = await cancelling(stage).cancel(seen, SOMEBODY, "twice")
        assert again.failure == first.failure
    assert stage.topics() == ["training.failed"]


async def test_a_run_that_went_on_meanwhile_is_cancelled_where_it_stands(stage: Stage) -> None:
    before = await stage.row(await stage.ask())
    held = await stage.store.claim(before.model_name, "worker-1", 30.0)
    assert held is not None

    ended = await cancelling(stage).cancel(before, NIGHT, None)

    assert (ended.state, ended.fence) == (State.FAILED, held.fence + 1)


async def test_from_its_evaluation_on_a_run_is_not_cancelled(stage: Stage) -> None:
    run_id, carried = await begun(stage, "register")
    assert (await stage.row(run_id)).state is State.EVALUATED

    await refused(stage, await stage.row(run_id), "too_late", "before it is EVALUATED")
    stage.script.gates["register"].set()
    assert await stage.clock.finish(asyncio.wait_for(carried, 30))

    await refused(stage, await stage.row(run_id), "has_ended", "has ended COMPLETED")
    assert "training.failed" not in stage.topics()


async def refused(stage: Stage, run: Run, reason: str, said: str) -> None:
    with pytest.raises(CannotCancel, match=said) as found:
        await cancelling(stage).cancel(run, NIGHT, None)
    assert found.value.reason == reason
