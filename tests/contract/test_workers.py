"""What every store of heartbeats promises: who lives is heard of, who took leave is not, and what waits."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from domain.ports.run_store import RunStore
from domain.ports.workers import WORKER, HeardProcess, Heartbeats, Process, Waiting, Workers
from service.adapters.postgres.database import open_database
from service.adapters.postgres.heartbeats import PostgresHeartbeats
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.workers import PostgresWorkers
from service.lifecycle.heartbeat import this_process
from tests.contract.stores import LONG, MLFLOW_AWAY, request
from tests.fakes.memory import Memory
from tests.fakes.run_store import FakeRunStore
from tests.fakes.workers import FakeHeartbeats, FakeWorkers


@dataclass(frozen=True)
class Parts:
    """One process's way to the store."""

    beats: Heartbeats
    workers: Workers
    runs: RunStore

    async def of(self, model: str) -> list[HeardProcess]:
        return [process for process in await self.workers.heard() if process.model_name == model]


def worker(model: str, name: str | None = None, role: str = WORKER) -> Process:
    return this_process(role, name or f"{model} w", model)


class HeartbeatContract:
    async def test_a_process_is_heard_of_until_it_takes_its_leave(self, parts: Parts, model: str) -> None:
        process = worker(model)
        await parts.beats.beat(process, begins=True)
        [first] = await parts.of(model)
        await asyncio.sleep(0.02)
        await parts.beats.beat(process, begins=False)
        [again] = await parts.of(model)
        for _ in range(2):
            await parts.beats.leave(process)

        assert Process(**first.model_dump(include=set(Process.model_fields))) == process
        assert first.runs == ()
        assert first.started_at == again.started_at
        assert again.heard_at > first.heard_at
        assert again.silent_seconds < LONG
        assert await parts.of(model) == []

    async def test_an_earlier_life_under_the_same_name_is_forgotten_at_a_start(
        self, parts: Parts, model: str
    ) -> None:
        killed, other = worker(model, f"{model} killed"), worker(model, f"{model} other")
        lives_again = worker(model, f"{model} killed")
        for process in (killed, other, lives_again):
            await parts.beats.beat(process, begins=True)
        assert {one.process_id for one in await parts.of(model)} == {other.process_id, lives_again.process_id}
        await parts.beats.beat(killed, begins=False)  # it was only stopped, and goes on
        assert len(await parts.of(model)) == 3

    async def test_it_says_which_runs_a_worker_carries(self, parts: Parts, model: str) -> None:
        for name, role in ((f"{model} a", WORKER), (f"{model} a", "notifier"), (f"{model} b", WORKER)):
            await parts.beats.beat(worker(model, name, role), begins=True)
        for _ in range(2):
            await parts.runs.add(request(model))
            await parts.runs.claim(model, f"{model} a", LONG)
        heard = await parts.of(model)
        carried = {(one.role, one.name.removeprefix(model)): len(one.runs) for one in heard}
        assert carried == {(WORKER, " a"): 2, ("notifier", " a"): 0, (WORKER, " b"): 0}

    async def test_what_waits_is_counted_by_what_it_waits_for(self, parts: Parts, model: str) -> None:
        assert await parts.workers.waiting(model) == Waiting()
        for _ in range(4):
            await parts.runs.add(request(model))
        held = await parts.runs.claim(model, "anna", LONG)
        waits = await parts.runs.claim(model, "anna", LONG)
        await parts.runs.claim(model, "bert", 0.0)  # its lease is over at once
        assert held is not None
        assert waits is not None
        await parts.runs.postpone(waits, LONG, MLFLOW_AWAY, waiting_on="mlflow")

        found = await parts.workers.waiting(model)

        assert (found.unclaimed, found.held, found.put_off, found.unfinished) == (2, 1, 1, 4)
        assert found.holders == ("anna",)
        assert 0 < found.oldest_unclaimed_seconds < LONG

    async def test_a_run_says_who_holds_it_for_how_long(self, parts: Parts, model: str) -> None:
        await parts.runs.add(request(model))
        run = await parts.runs.claim(model, "anna", LONG)
        assert run is not None
        held = await parts.workers.hold(run.run_id)
        await parts.runs.postpone(run, LONG, MLFLOW_AWAY, waiting_on="mlflow")
        waits = await parts.workers.hold(run.run_id)

        assert held is not None
        assert waits is not None
        assert (held.owner, held.held, held.not_before) == ("anna", True, None)
        assert LONG / 2 < held.lease_seconds <= LONG
        assert (waits.owner, waits.held, waits.lease_seconds) == (None, False, 0.0)
        assert waits.not_before is not None
        assert await parts.workers.hold("no such run") is None


class TestFakeHeartbeats(HeartbeatContract):
    """In memory."""

    @pytest.fixture
    def parts(self) -> Parts:
        memory = Memory()
        return Parts(FakeHeartbeats(memory), FakeWorkers(memory), FakeRunStore(memory))


class TestPostgresHeartbeats(HeartbeatContract):
    """On PostgreSQL."""

    @pytest.fixture
    async def parts(self, migrated_url: str) -> AsyncIterator[Parts]:
        async with open_database(migrated_url) as database:
            beats, workers = PostgresHeartbeats(database), PostgresWorkers(database)
            yield Parts(beats, workers, PostgresRunStore(database))
