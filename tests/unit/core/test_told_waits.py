"""A run that waits says so in the log: at first, for another reason, now and then, and when it is over."""

import asyncio

import pytest
from structlog.testing import capture_logs

from domain.errors import TryLater
from domain.lifecycle import State
from service.lifecycle.patient_calls import ToldWaits
from service.runtime.retry import RetryPolicy
from tests.harm.fake_time import FakeClock
from tests.worlds.stage import Stage, fails

AWAY = TryLater("mlflow_unavailable", "MLflow does not answer", waiting_on="mlflow")
BUSY = TryLater("mlflow_busy", "MLflow says 503", waiting_on="mlflow")
FULL = TryLater("disk_full", "no space", waiting_on="disk")
PATIENT = RetryPolicy(first_pause=50.0, longest_pause=50.0)


async def told_of(*tries: tuple[float, TryLater]) -> list[tuple[float, str]]:
    """When a line was written for which reason; each try is a moment and what it found."""
    clock = FakeClock()
    waits, told = ToldWaits(clock), []
    for moment, error in tries:
        await clock.advance(moment - clock.monotonic())
        with capture_logs() as said:
            waits.waits(error)
        told += [(moment, str(line["reason"])) for line in said]
    return told


async def test_the_first_try_is_told_and_then_one_in_five_minutes() -> None:
    tries = [(moment, AWAY) for moment in (0.0, 2.0, 60.0, 299.0, 300.0, 301.0, 599.0, 601.0)]
    assert [moment for moment, _ in await told_of(*tries)] == [0.0, 300.0, 601.0]


async def test_another_reason_is_told_at_once_and_so_is_the_way_back() -> None:
    assert await told_of((0.0, AWAY), (1.0, BUSY), (2.0, BUSY), (3.0, AWAY)) == [
        (0.0, "mlflow_unavailable"),
        (1.0, "mlflow_busy"),
        (3.0, "mlflow_unavailable"),
    ]


async def test_two_services_are_told_of_apart() -> None:
    assert [reason for _, reason in await told_of((0.0, AWAY), (1.0, FULL), (2.0, AWAY), (3.0, FULL))] == [
        "mlflow_unavailable",
        "disk_full",
    ]


async def test_a_wait_that_is_over_is_told_once_with_its_length() -> None:
    clock = FakeClock()
    waits = ToldWaits(clock)
    with capture_logs() as said:
        waits.waits(AWAY)
        waits.waits(FULL)
        await clock.advance(7)
        waits.over(["mlflow"])
        waits.over(["mlflow"])
    assert [(line["waiting_on"], line["seconds"]) for line in said if line["event"] == "wait_over"] == [
        ("mlflow", 7)
    ]


@pytest.mark.parametrize("call", ["open_run", "split", "version", "train", "upload", "keep", "finish"])
async def test_whatever_call_of_a_run_waits_the_log_has_its_beginning_and_its_end(
    call: str, stage: Stage
) -> None:
    fails(call, stage, *[AWAY] * 24)  # two calls, side by side, may share them
    run_id = await stage.ask()
    with capture_logs() as said:
        run = await stage.carry(run_id, stage.runner(retry=PATIENT))
    waits = [line["event"] for line in said if line["event"] in {"waiting", "wait_over"}]
    assert run.state is State.COMPLETED
    assert 2 <= waits.count("waiting") <= 5, "many minutes: at first, and every five"
    assert waits[0] == "waiting"
    assert waits[-1] == "wait_over"
    assert waits.count("wait_over") == 1


async def test_a_run_that_is_left_while_it_waits_tells_the_end_of_the_wait(stage: Stage) -> None:
    fails("open_run", stage, *[AWAY] * 20)
    await stage.ask()
    task = asyncio.ensure_future(stage.runner(retry=PATIENT).run_one())
    with capture_logs() as said:
        await stage.clock.advance(30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    waits = [line["event"] for line in said if str(line["event"]).startswith("wait")]
    assert waits == ["waiting", "wait_over"]
