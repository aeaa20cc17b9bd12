"""Workers that share the work, end in the middle of it, are killed, or wait: no run is lost or doubled.

Its cost: two to six lifecycles a case, and workers that are ended in them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from domain.lifecycle import State, Step
from domain.points import Point, Points
from domain.ports.workers import HeardProcess
from domain.run import Run
from domain.run_actions import Actor
from service.lifecycle.cancel import Cancelling
from service.lifecycle.reading import open_reading
from service.runtime.clock import SystemClock
from tests.e2e.deployment import Deployment, found, worker_here, worker_process
from tests.harm.holding import HoldAt
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Http
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.servers import MlflowServer

ASKED = {"model_version": 101}
_ROUNDED = timedelta(seconds=1)  # MLflow has milliseconds, and an answer takes its time
ENDED_IN = (Step.VERSION, Step.PERSIST)


@pytest.fixture
def deployment(small: Deployment) -> Deployment:
    """What is carried does not matter here."""
    return small


async def test_two_workers_share_the_work_and_the_best_is_champion(
    deployment: Deployment, tmp_path: Path
) -> None:
    """Four requests at once, two workers: each does some, and the ledger is a chain."""
    second = {"WORKER__ID": "second"}
    with worker_process(deployment, tmp_path / "one"), worker_process(deployment, tmp_path / "two", **second):
        identities = [await deployment.ask({"model_version": version}) for version in (101, 121, 101, 121)]
        runs = [await deployment.ended(identity) for identity in identities]
        promoted = [run for run in runs if run.state is State.COMPLETED]
        promotions = await deployment.promotions(len(promoted))
    assert {run.state for run in runs} <= {State.COMPLETED, State.DECLINED}
    assert promoted
    assert [said["generation"] for said in promotions] == list(range(1, len(promoted) + 1))
    scores = [said["candidate"]["metrics"]["rmsle"] for said in promotions]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] == min(
        run.outputs["evaluate"]["candidate"]["reference"]["metrics"]["rmsle"] for run in runs
    )
    logs = [(tmp_path / name / "worker.log").read_text(encoding="utf-8") for name in ("one", "two")]
    assert all('"run_ended"' in log for log in logs), "one worker did everything"


async def test_a_worker_that_is_ended_in_a_step_gives_lease_and_attempt_back(
    deployment: Deployment, mlflow: MlflowRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """K11: each worker is ended in a later step of one run, the last one completes it; the rest on fakes.

    Each one's clock is wrong by hours, and all times are by the same one nevertheless.
    """
    identity = await deployment.ask(ASKED)
    for step, hours in zip(ENDED_IN, (-1, 2), strict=True):
        monkeypatch.setattr(SystemClock, "now", wrong_by(hours))
        hold = HoldAt(Point(f"{step}.before_effect"))
        async with worker_here(deployment, points=hold, WORKER__LEASE_SECONDS="600"):
            await asyncio.wait_for(hold.reached.wait(), 60)
        run = await stored(deployment, identity)
        assert (run.owner, run.attempts) == (None, 0), step
    monkeypatch.setattr(SystemClock, "now", wrong_by(-1))
    hold = HoldAt(Point.PERSIST_AFTER_COMMIT)
    async with worker_here(deployment, points=hold) as worker:
        run = await deployment.ended(identity)
        await deployment.promotions(1)
        hold.hold_next(Point.TRAIN_BEFORE_COMMIT)
        await cancels_the_next(deployment, hold, mlflow)
    assert await heard_of(deployment) == []
    assert (run.state, run.fence) == (State.COMPLETED, len(ENDED_IN) + 1)
    times = await recorded_times(mlflow, run)
    assert times == sorted(times), "start, metrics and end"
    assert run.requested_at - _ROUNDED <= times[0] <= times[-1] <= run.updated_at + _ROUNDED
    told = f'duration_seconds_sum{{state="COMPLETED"}} {(run.updated_at - run.requested_at).total_seconds()}'
    assert told in worker.metrics.render().decode()


async def cancels_the_next(deployment: Deployment, hold: HoldAt, mlflow: MlflowRecord) -> None:
    """A run that is cancelled in its worker's hands ends at once, and its MLflow run with it."""
    identity = await deployment.ask(ASKED)
    await asyncio.wait_for(hold.reached.wait(), 60)
    run = await stored(deployment, identity)
    [worker] = await heard_of(deployment)
    assert worker.runs == (run.run_id,)
    async with open_reading(deployment.settings()) as reading:
        cancelling = Cancelling(reading.store, reading.database.clock, 900_000)
        ended = await cancelling.cancel(run, Actor(name="a person", door="api", proven=True), "a test")
    assert ended.state is State.FAILED
    opened = run.outputs["open_run"]["mlflow_run_id"]

    async def is_closed() -> bool:
        return (await mlflow.run(opened)).status == "FAILED"

    await eventually(is_closed)
    told = [event.data or {} for event in await deployment.events(ended, "training.failed")]
    assert [said["reason"] for said in told if "reason" in said] == ["cancelled"]


async def heard_of(deployment: Deployment) -> list[HeardProcess]:
    """The living of this model."""
    async with open_reading(deployment.settings()) as reading:
        return [one for one in await reading.workers.heard() if one.model_name == deployment.model]


def wrong_by(hours: float) -> Callable[[SystemClock], datetime]:
    return lambda _: datetime.now(tz=UTC) + timedelta(hours=hours)


async def recorded_times(mlflow: MlflowRecord, run: Run) -> list[datetime]:
    """When MLflow says that a run began, was measured and ended."""
    told = (await mlflow.get("runs/get", run_id=run.mlflow_run_id or ""))["run"]
    metrics = sorted(int(metric["timestamp"]) for metric in told["data"]["metrics"])
    moments = [int(told["info"]["start_time"]), *metrics, int(told["info"]["end_time"])]
    return [datetime.fromtimestamp(moment / 1000, tz=UTC) for moment in moments]


@pytest.mark.soak
async def test_a_killed_worker_goes_on_where_it_was_when_it_comes_back(
    deployment: Deployment, tmp_path: Path, mlflow: MlflowRecord
) -> None:
    """Kill -9 after a step, and the same worker again: one MLflow run, one version, each event once.

    `tests/chaos` kills at every point in `make test`.
    """
    log = tmp_path / "worker/worker.log"
    with worker_process(deployment, tmp_path / "worker") as worker:
        identity = await deployment.ask(ASKED)
        await eventually(lambda: f'"now": "{State.SPLIT}"' in log.read_text(encoding="utf-8"), within=60)
        worker.kill()
        worker.start()
        await asyncio.to_thread(worker.wait_ready, 60)
        run = await deployment.ended(identity)
        events = await deployment.events(run, "model.promoted")
    assert run.state is State.COMPLETED
    assert len({event.attributes["id"] for event in events}) == 3
    opened = run.outputs["open_run"]
    assert len(await mlflow.runs_of(opened["experiment_id"], run.run_id)) == 1
    assert len(await mlflow.versions_of(deployment.model)) == 1
    assert (await mlflow.run(opened["mlflow_run_id"])).status == "FINISHED"


async def stored(deployment: Deployment, identity: str) -> Run:
    async with open_reading(deployment.settings()) as reading:
        run = await found(reading, identity)
        assert run is not None
        return run


@pytest.fixture
async def proxy(mlflow_server: MlflowServer) -> AsyncIterator[FaultProxy]:
    """Where the worker believes MLflow to be."""
    address = urlsplit(mlflow_server.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        yield proxy


async def test_a_request_while_mlflow_is_down_waits_visibly_and_goes_on(
    deployment: Deployment, proxy: FaultProxy
) -> None:
    async with worker_here(deployment, MLFLOW_TRACKING_URI=proxy.url):
        await proxy.close_door()
        identity = await deployment.ask(ASKED)

        async def waits() -> Run | None:
            run = await stored(deployment, identity)
            return run if run.waiting_on == "mlflow" else None

        async with open_reading(deployment.settings()) as reading:
            await eventually(lambda: found(reading, identity))
        run = await eventually(waits, within=60)
        assert run is not None
        assert run.waiting_since is not None
        assert run.failure is not None
        assert run.failure.reason == "mlflow_unavailable"
        await proxy.open_door()
        run = await deployment.ended(identity)
        assert (run.state, run.waiting_on) == (State.COMPLETED, None)


class CountCalls(Points):
    """Notes the calls that MLflow got while a run was carried, up to the commit behind `model.promoted`."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.counts: list[int] = []
        self._proxy = proxy
        self._before = 0

    async def at(self, point: Point) -> None:
        if point is Point.CLAIM_AFTER_COMMIT:
            self._before = self._proxy.requests
        if point is Point.PERSIST_AFTER_COMMIT:
            self.counts.append(self._proxy.requests - self._before)


async def test_a_promotion_over_a_known_champion_takes_at_most_30_calls_to_mlflow(
    deployment: Deployment, proxy: FaultProxy, mlflow: MlflowRecord
) -> None:
    calls = CountCalls(proxy)
    async with worker_here(deployment, points=calls, MLFLOW_TRACKING_URI=proxy.url):
        first = await deployment.carried({"model_version": 101})
        await drawn(mlflow, first)
        second = await deployment.carried({"model_version": 121})
    assert (first.state, second.state) == (State.COMPLETED, State.COMPLETED)
    assert len(calls.counts) == 2
    assert 0 < calls.counts[1] <= 30


async def drawn(mlflow: MlflowRecord, run: Run) -> None:
    """Wait for the last of the pictures: what is drawn later is no call of the next run."""

    async def card() -> bool:
        answer = await mlflow.get("artifacts/list", run_id=run.mlflow_run_id or "", path="evaluation")
        return "evaluation/model_card.md" in {file["path"] for file in answer.get("files", [])}

    await eventually(card, within=60)
