"""Floods by bytes, by slowness and by connections end by themselves; the same on every role's server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace

import pytest

from service.runtime.health import Readiness
from service.runtime.metrics import Metrics
from service.runtime.web.connection_limits import BOUNDS
from service.runtime.web.health import Health, health_app
from service.runtime.web.http_server import Shell
from tests.harm.floods import ENDLESS, connected, crowd, flood, lives
from tests.worlds.served_models import TOKEN, open_stage, served_model

HALF = b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100
SLOW = b"POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that a test can wait for."""
    few = replace(BOUNDS, head_seconds=0.3, stalled_seconds=0.3, connections=50)
    monkeypatch.setattr("service.runtime.web.http_server.BOUNDS", few)


@pytest.fixture(params=["worker", "inference", "inference without a token"])
async def port(request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """One role's server."""
    if request.param == "worker":
        health = Health(Readiness({}), Metrics().render, dead=list)
        async with Shell(health_app(health), unless="", grace_seconds=1).serving("127.0.0.1", 0) as port:
            yield port
        return
    token = TOKEN if request.param == "inference" else None
    async with (
        open_stage(served_model(), token=token) as stage,
        Shell(stage.app, unless="", grace_seconds=1).serving("127.0.0.1", 0) as port,
    ):
        yield port


@pytest.mark.parametrize("kind", ENDLESS)
async def test_what_has_no_end_is_refused_before_it_takes_memory(port: int, kind: str) -> None:
    taken, answer = await flood(port, kind)
    assert taken < 10 << 20
    assert answer[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 431", b"HTTP/1.1 404", b"HTTP/1.1 200"}


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("sent", [b"", HALF, SLOW], ids=["nothing", "half a head", "half a body"])
async def test_connections_on_which_nothing_comes_end_and_let_others_in(sent: bytes, port: int) -> None:
    said = await crowd(port, sent, 120)
    assert {answer[:12] for answer in said} <= {b"", b"HTTP/1.1 408", b"HTTP/1.1 401", b"HTTP/1.1 404"}


@pytest.mark.usefixtures("bounds")
async def test_an_answer_that_nobody_reads_is_given_up(port: int) -> None:
    async with connected(port) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        with suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 8)
                await writer.drain()
                await asyncio.sleep(0)
    assert await lives(port)


async def test_a_head_may_come_in_pieces(port: int) -> None:
    pieces = (b"GET /health/li", b"ve HTTP/1.1\r\nHo", b"st: x\r\na: " + b"b" * 30_000, b"\r\n", b"\r\n")
    async with connected(port) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")


async def test_requests_that_come_together_are_answered_in_turn(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).count(b"HTTP/1.1 200 ") == 11
