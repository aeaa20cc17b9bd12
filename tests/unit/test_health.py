"""What an orchestrator is told: alive, ready, and what is missing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic

import pytest

from domain.errors import TryLater
from service.runtime.health import Readiness, Vitals
from service.runtime.metrics import Metrics
from service.runtime.web.health import Figures, Health, health_app
from service.runtime.web.http_server import Shell
from tests.kit.eventually import eventually


async def well() -> None:
    """Answer."""


async def away() -> None:
    raise TryLater("kafka_unavailable", "kafka: asking for topics: refused", waiting_on="kafka")


async def silent() -> None:
    await asyncio.Event().wait()


async def leaking() -> None:
    raise RuntimeError("postgresql://laurel:canary@db/laurel")


class Probe:
    """A health server on a free port, and the bare HTTP to ask it with."""

    def __init__(self) -> None:
        self.vitals = Vitals()
        self.pings = {"postgres": well}
        readiness = Readiness(self.pings, timeout_seconds=0.1, kept_seconds=0)
        health = Health(readiness, Metrics().render, dead=self.vitals.dead)
        self.shell = Shell(health_app(health), unless="", grace_seconds=1)
        self.port = 0

    async def raw(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()

    async def get(self, path: str) -> tuple[int, str]:
        answer = await self.raw(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split(b" ")[1]), body.decode()


@pytest.fixture
async def probe() -> AsyncIterator[Probe]:
    one = Probe()
    async with one.shell.serving("127.0.0.1", 0) as one.port:
        yield one


async def test_a_process_that_is_well_is_live_and_ready(probe: Probe) -> None:
    assert (await probe.get("/health/live"))[0] == 200
    assert (await probe.get("/health/ready"))[0] == 200


async def test_each_missing_service_is_named_with_its_reason_and_no_secret(probe: Probe) -> None:
    probe.pings |= {"kafka": away, "mlflow": silent, "database": leaking}
    status, body = await probe.get("/health/ready")
    assert status == 503
    assert json.loads(body)["missing"] == {
        "kafka": "kafka: asking for topics: refused",
        "mlflow": "no answer within 0.1 s",
        "database": "RuntimeError",
    }
    assert (await probe.get("/health/live"))[0] == 200


async def test_a_task_that_ended_makes_it_dead_however_it_ended(probe: Probe) -> None:
    async def cancelled() -> None:
        raise asyncio.CancelledError

    task = asyncio.create_task(cancelled())
    probe.vitals.watch_task("inbox", task)
    probe.vitals.watch("relay", lambda: True)
    await asyncio.wait([task])
    status, body = await probe.get("/health/live")
    assert (status, json.loads(body)["dead"]) == (503, ["inbox"])
    assert (await probe.get("/health/ready"))[0] == 503


async def test_metrics_are_told_in_prometheus_format(probe: Probe) -> None:
    status, body = await probe.get("/metrics")
    assert status == 200
    assert "# TYPE laurel_outbox_age_seconds gauge" in body


async def test_a_flood_of_questions_for_metrics_renders_them_ten_times_a_second() -> None:
    rendered = []

    def render() -> bytes:
        rendered.append(monotonic())
        return str(len(rendered)).encode()

    figures = Figures(render)
    texts = [await figures.text() for _ in range(1000)]
    assert (texts[0], texts[9]) == (b"1", b"10")
    assert len(rendered) <= 10 * (1 + monotonic() - rendered[0])

    async def text_changes() -> bool:
        return await figures.text() != texts[-1]

    await eventually(text_changes)


async def test_nothing_else_is_answered(probe: Probe) -> None:
    assert (await probe.get("/"))[0] == 404
    assert (await probe.raw(b"POST /health/live HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
    assert (await probe.raw(b"HEAD /health/live HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("nonsense", [b"\r\n\r\n", b"GET\r\n\r\n", b"x" * 20_000, b"\xff\xfe\r\n\r\n"])
async def test_nonsense_does_no_harm(probe: Probe, nonsense: bytes) -> None:
    with suppress(ConnectionError):
        await probe.raw(nonsense)
    assert (await probe.get("/health/live"))[0] == 200
