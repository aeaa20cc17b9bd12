"""A promotion, real inference servers and the worst neighbours: the run ends well, and all follow.

Its cost: two inference servers as processes, floods from three sides, a lifecycle amid them.
"""

import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.convergence import ReplicaState
from domain.events import InferenceDiverged, InferenceReloaded
from domain.lifecycle import State
from service.adapters.kafka.requests import read_events
from service.lifecycle.reading import open_reading
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole, inference_replica
from service.rollout.convergence_status import ConvergenceStatus, read_status
from service.rollout.replica_clients import open_servers
from tests.chaos.released import unpacked
from tests.e2e.deployment import Deployment, role_process, worker_process
from tests.integration.reload.processes import stand_in_process
from tests.kit.alert_rules import unheard
from tests.kit.eventually import eventually
from tests.kit.mlflow_record import MlflowRecord
from tests.worlds.stand_in_server import TOKEN, StandIn

_BAD: tuple[Mapping[str, Any], ...] = (
    {"token": "another"},
    {"behave": "garbage"},
    {"behave": "flood"},
    {"behave": "drip"},
    {"behave": "hang"},
    {"behave": "redirect"},
)


@pytest.fixture
def deployment(small: Deployment) -> Deployment:
    """What is carried does not matter here."""
    return small


@dataclass
class Serving:
    """A deployment whose inference servers are listed in its environment."""

    deployment: Deployment

    async def serve(self, version: int, *urls: str) -> ConvergenceStatus:
        """What `laurel status` says, once these replicas serve that version as the head."""
        seen: list[ConvergenceStatus] = []
        settings = self.deployment.settings()
        async with open_reading(settings) as reading, open_servers(settings) as servers:

            async def look() -> bool:
                seen[:] = [await read_status(reading.ledger, reading.outbox, servers, self.deployment.model)]
                good = {row.url for row in seen[0].replicas if row.serves_head and row.version == version}
                return set(urls) <= good

            try:
                await eventually(look, within=180)
            except AssertionError as error:
                raise AssertionError(f"{error}: {seen}") from None
        return seen[0]

    async def told(self, topic: str) -> list[dict[str, Any]]:
        """What was said of replicas."""
        events = read_events(self.deployment.connection, [topic])
        return [dict(event.data or {}) async for event in events if event.key == self.deployment.model]


def listener_process(deployment: Deployment, folder: Path) -> AbstractContextManager[EmbeddedRole]:
    """`laurel reload-listener` as a process, ready."""
    return role_process("reload-listener", "HTTP__LISTENER_PORT", deployment.environment, folder)


@asynccontextmanager
async def bad_neighbours() -> AsyncIterator[list[StandIn]]:
    """One server of each bad habit."""
    async with AsyncExitStack() as stack:
        made = []
        for facts in _BAD:
            made.append(await StandIn(**facts).start())
            stack.push_async_callback(made[-1].stop)
        yield made


async def test_whatever_the_neighbours_do_the_run_completes_and_in_the_end_all_serve_the_head(
    deployment: Deployment, mlflow: MlflowRecord, tmp_path: Path
) -> None:
    """R02, R05: two real servers, one of somebody else's, one hung, one killed, and six that misbehave.

    One of the real ones is of 0.1.0, as it is while servers are replaced one by one.
    Then a second promotion, and an alias that a person moves back: all follow.
    """
    serving, ports = Serving(deployment), [free_port() for _ in range(2)]
    real = [f"http://127.0.0.1:{port}" for port in ports]
    async with AsyncExitStack() as stack:
        bad = await stack.enter_async_context(bad_neighbours())
        theirs = await StandIn(knows_generations=False).start()
        stack.push_async_callback(theirs.stop)
        hung, hung_port = await stack.enter_async_context(stand_in_process())
        killed, killed_port = await stack.enter_async_context(stand_in_process())
        others, good = [f"http://127.0.0.1:{port}" for port in (hung_port, killed_port)], [*real, theirs.url]
        urls = [*good, *others, *(one.url for one in bad)]
        deployment.more = dict(deployment.more) | {
            "INFERENCE_API_URL": json.dumps(urls),
            "INFERENCE_INTERNAL_TOKEN": TOKEN,
            "RELOAD__POLL_SECONDS": "0.5",
            "RELOAD__TRY_SECONDS": "15",
            "WORKER__RECONCILE_SECONDS": "0.5",
        }
        for port, code in zip(ports, ({}, unpacked(tmp_path / "0.1.0")), strict=True):
            _start_replica(stack, tmp_path / f"inference-{port}", port, deployment.environment | code)
        hung.send_signal(signal.SIGSTOP)
        killed.kill()
        listener = stack.enter_context(listener_process(deployment, tmp_path / "listener"))
        worker = stack.enter_context(worker_process(deployment, tmp_path / "worker"))
        for url in real:  # a server that still starts cannot be told of the first promotion
            await eventually(partial(_lives, url), within=180)
        await _alarms_can_be_raised(ports[0], listener.port, worker.port)

        run = await deployment.carried({"model_version": 101})
        assert run.state is State.COMPLETED
        status = await serving.serve(1, *good)
        states = {row.url: row.state for row in status.replicas}
        assert [states[url] for url in good] == [
            ReplicaState.SERVING,
            ReplicaState.SERVING,
            ReplicaState.NO_GENERATION,
        ]
        assert [states[url] for url in others] == [ReplicaState.UNREACHABLE, ReplicaState.UNREACHABLE]
        assert not status.converged

        async def all_said() -> bool:
            return len(await serving.told(InferenceDiverged.topic)) == len(urls) - len(good)

        await eventually(all_said, within=60)
        diverged = await serving.told(InferenceDiverged.topic)
        assert {fact["replica"] for fact in diverged} == set(urls) - set(good)

        hung.send_signal(signal.SIGCONT)
        await stack.enter_async_context(stand_in_process(killed_port))
        for one in bad:
            one.token, one.behave = TOKEN, "well"
        assert (await serving.serve(1, *urls)).converged

        better = await deployment.carried({"model_version": 121})
        assert better.state is State.COMPLETED
        assert (await serving.serve(2, *urls)).converged

        alias = {"name": deployment.model, "alias": "prod", "version": "1"}
        await mlflow.post("registered-models/alias", alias)
        assert (await serving.serve(1, *urls)).converged
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            for url in real:
                info = (await client.get(f"{url}/info")).json()
                assert (info["model_version"], info["generation"]) == ("1", 3)

        async def all_reloaded() -> bool:
            told = await serving.told(InferenceReloaded.topic)
            said = [(fact["replica"], fact["generation"]) for fact in told]
            assert len(said) == len(set(said))
            return set(said) == {(url, generation) for url in urls for generation in (1, 2, 3)}

        await eventually(all_reloaded, within=60)
    assert len(await serving.told(InferenceDiverged.topic)) == len(diverged)


def _start_replica(stack: AsyncExitStack, folder: Path, port: int, environment: dict[str, str]) -> None:
    replica = inference_replica(folder, port, environment)
    replica.start()
    stack.callback(replica.stop, grace=20)


async def _lives(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            await client.get(f"{url}/health")
        except httpx.TransportError:
            return False
    return True


async def _alarms_can_be_raised(*ports: int) -> None:
    async with httpx.AsyncClient() as client:
        for port in ports:
            assert unheard((await client.get(f"http://127.0.0.1:{port}/metrics")).text) == []
