"""One of two replicas behind a balancer is ended while 100 requests a second come: about 15 s.

The balancer has to find out by its own checks, twice: with the drain, and without it.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from bench.load.connection import request
from service.adapters.tls.trust import no_trust
from service.local.servers import ports
from service.local.servers.role import EmbeddedRole, inference_replica
from tests.harm.balancer import CHECK_SECONDS, CHECKS, balancer, failures
from tests.kit.eventually import eventually
from tests.worlds.registered_models import ROWS, ModelShelf

RATE = 100
DRAIN_SECONDS = 3 * CHECK_SECONDS * CHECKS  # longer than the balancer needs, on a busy machine too

Start = Callable[..., EmbeddedRole]


@pytest.fixture
async def start(shelf: ModelShelf, tmp_path: Path) -> AsyncIterator[Start]:
    """How a replica is started: with these variables besides the usual."""
    async with AsyncExitStack() as stack:

        def started(**more: str) -> EmbeddedRole:
            place = {"MLFLOW_TRACKING_URI": shelf.access.url, "MLFLOW_MODEL_NAME": shelf.model_name}
            port = ports.free_port()
            role = inference_replica(tmp_path / f"replica-{port}", port, place | more)
            stack.callback(role.kill)
            role.start()
            return role

        yield started


async def test_ending_one_of_two_replicas_loses_no_request_with_a_drain_and_some_without(
    shelf: ModelShelf, packages: list[dict[str, bytes]], start: Start, tmp_path: Path
) -> None:
    await shelf.promote(packages[0], 1)
    staying, prompt = start(), start()
    draining = start(INFERENCE__DRAIN_SECONDS=str(DRAIN_SECONDS))
    for role in (staying, prompt, draining):
        await asyncio.to_thread(role.wait_ready, 60)

    lost, _ = await _lost(tmp_path / "without", prompt, staying)
    lost_with_drain, sent = await _lost(tmp_path / "with", draining, staying)

    assert lost > 0
    assert (lost_with_drain, sent > RATE) == (0, True)


async def _lost(folder: Path, leaving: EmbeddedRole, staying: EmbeddedRole) -> tuple[int, int]:
    """How many requests fail, from a second before the end of one replica to a second after it."""
    predict = request("/predict", ROWS[0], {"Content-Type": "application/json"})
    async with balancer(folder, [leaving.port, staying.port]) as port:
        await eventually(lambda: _both_answer(port))
        until = asyncio.create_task(_end(leaving))
        lost = await failures(port, predict, rate=RATE, over=until.done)
        await until
    return lost


async def _end(leaving: EmbeddedRole) -> None:
    await asyncio.sleep(CHECK_SECONDS)
    os.kill(leaving.pid or 0, signal.SIGTERM)
    await eventually(leaving.has_ended)
    await asyncio.sleep(CHECK_SECONDS)


async def _both_answer(port: int) -> bool:
    async with httpx.AsyncClient(trust_env=False, verify=no_trust()) as client:
        said = [await client.post(f"http://127.0.0.1:{port}/predict", json=ROWS[0]) for _ in range(4)]
    return all(answer.status_code == httpx.codes.OK for answer in said)


async def test_a_second_signal_ends_the_drain(
    shelf: ModelShelf, packages: list[dict[str, bytes]], start: Start
) -> None:
    await shelf.promote(packages[0], 1)
    role = start(INFERENCE__DRAIN_SECONDS="600")
    await asyncio.to_thread(role.wait_ready, 60)
    base = f"http://127.0.0.1:{role.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, verify=no_trust()) as client:
        os.kill(role.pid or 0, signal.SIGTERM)

        async def leaves() -> bool:
            return (await client.get("/health/ready")).status_code == httpx.codes.SERVICE_UNAVAILABLE

        await eventually(leaves)
        ready, live = await client.get("/health/ready"), await client.get("/health/live")
        said = await client.post("/predict", json=ROWS[0])
        os.kill(role.pid or 0, signal.SIGTERM)
        await eventually(role.has_ended)
    assert ready.json()["missing"].keys() == {"drain"}
    assert [answer.status_code for answer in (live, said)] == [200, 200]
    assert {answer.headers["connection"] for answer in (ready, live, said)} == {"close"}
