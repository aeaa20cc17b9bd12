"""Metrics are emitted where their facts become true."""

import asyncio

from domain.errors import NeverRetry, TryLater
from tests.harm.fake_time import settle
from tests.worlds.stage import LEASE, Stage, fails

AWAY = TryLater("mlflow_unavailable", "no answer", waiting_on="mlflow")


def told(stage: Stage, name: str, **labels: str) -> float | None:
    """The value of one metric; None before its first."""
    wanted = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    line = f"{name}{{{wanted}}} " if labels else f"{name} "
    lines = stage.metrics.render().decode().splitlines()
    return next((float(found.rsplit(" ", 1)[1]) for found in lines if found.startswith(line)), None)


async def test_every_end_is_counted_by_its_state(stage: Stage) -> None:
    await stage.done(0.5)
    await stage.done(0.6)
    await stage.done(split_version="x")
    fails("train", stage, NeverRetry("fit_failed", "no"))
    await stage.done(0.4)
    for state in ("COMPLETED", "DECLINED", "REJECTED", "FAILED"):
        assert told(stage, "laurel_runs_ended_total", state=state) == 1
        assert told(stage, "laurel_run_duration_seconds_count", state=state) == 1


async def test_every_verdict_is_counted_by_its_decision(stage: Stage) -> None:
    await stage.done(0.5)
    await stage.done(0.6)
    fails("score_champion", stage, NeverRetry("unloadable_model", "no"))
    await stage.done(0.4)
    fails("train", stage, NeverRetry("fit_failed", "no"))
    await stage.done(0.4)
    for decision in ("PROMOTE", "DECLINE", "INCONCLUSIVE"):
        assert told(stage, "laurel_verdicts_total", decision=decision) == 1


async def test_every_attempt_of_a_step_has_a_duration_and_failures_have_a_reason(stage: Stage) -> None:
    fails("train", stage, TryLater("step_died", "9"))
    await stage.done(0.5)
    assert told(stage, "laurel_step_duration_seconds_count", step="train") == 2
    assert told(stage, "laurel_step_duration_seconds_count", step="persist") == 1
    assert told(stage, "laurel_step_failures_total", step="train", reason="step_died") == 1


async def test_a_run_in_hand_is_in_flight_until_it_leaves(stage: Stage) -> None:
    stage.script.gates["train"] = asyncio.Event()
    await stage.ask()
    task = asyncio.ensure_future(stage.runner().run_one())
    await settle()
    assert told(stage, "laurel_runs_in_flight") == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert told(stage, "laurel_runs_in_flight") == 0


async def test_a_wait_is_shown_until_it_is_over(stage: Stage) -> None:
    stage.script.always["create_model"] = AWAY
    run_id = await stage.ask()
    task = asyncio.ensure_future(stage.runner().run_one())
    await settle()
    assert told(stage, "laurel_waiting", service="mlflow") == 1
    stage.script.always.clear()
    await stage.clock.advance(5)
    assert told(stage, "laurel_waiting", service="mlflow") == 0
    assert (await stage.row(run_id)).ended
    await task


async def test_a_lost_lease_is_counted(stage: Stage) -> None:
    stage.script.gates["train"] = asyncio.Event()
    stage.script.always["renew"] = TryLater("postgres_unavailable", "gone", waiting_on="postgres")
    await stage.ask()
    task = asyncio.ensure_future(stage.runner().run_one())
    await stage.clock.advance(LEASE)
    await task
    assert told(stage, "laurel_leases_lost_total") == 1


async def test_an_override_is_counted_and_the_head_is_told(stage: Stage) -> None:
    await stage.done(0.5)
    assert told(stage, "laurel_ledger_generation") == 1
    assert told(stage, "laurel_overrides_total") == 0
    await stage.by_hand("theirs")
    await stage.projector.follow()
    assert told(stage, "laurel_overrides_total") == 1
    assert told(stage, "laurel_ledger_generation") == 2


async def test_an_adoption_is_no_override(stage: Stage) -> None:
    await stage.by_hand("theirs")
    await stage.projector.follow()
    assert told(stage, "laurel_overrides_total") == 0
