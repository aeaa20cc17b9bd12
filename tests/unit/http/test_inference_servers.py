"""Reloading over HTTP: bounded, honest about failures, and the token goes nowhere else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from service.adapters.http.inference_servers import HttpInferenceServers

RELOADED = b'{"status": "reloaded", "model_version": "5", "run_id": "r", "feature_version": 2}'


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass
class Server:
    """Answers every request with the same bytes, then as `behave` says; remembers what it was asked."""

    answer: bytes = b""
    behave: str = "close"
    heard: list[bytes] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heard.append(head + await reader.read(100))
            writer.write(self.answer)
            while self.behave == "flood":
                writer.write(b"x" * 65536)
                await writer.drain()
            while self.behave == "drip":
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def servers() -> AsyncIterator[list[Server]]:
    made, listening = [Server() for _ in range(3)], []
    for one in made:
        listener = await asyncio.start_server(one.serve, "127.0.0.1", 0)
        one.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        listening.append(listener)
    yield made
    for listener in listening:
        listener.close()


async def ask(*urls: str, seconds: float = 5.0) -> list[tuple[bool, str | None, str | None]]:
    client = HttpInferenceServers(urls, "canary-token", seconds=seconds)
    try:
        answers = await client.reload(3, 5)
    finally:
        await client.stop()
    return [(one.reloaded, one.model_version, one.problem) for one in answers]


async def test_every_server_is_asked_with_the_token_and_says_what_it_serves(servers: list[Server]) -> None:
    for one in servers:
        one.answer = http(RELOADED)
    assert await ask(*(one.url + "/" for one in servers)) == [(True, "5", None)] * 3
    for one in servers:
        head, _, body = one.heard[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /reload HTTP/1.1\r\n")
        assert b"authorization: bearer canary-token" in head.lower()
        assert body == b"{}"


async def test_one_that_is_down_does_not_keep_the_others_from_answering(servers: list[Server]) -> None:
    servers[0].answer = http(RELOADED)
    answers = await ask("http://127.0.0.1:1", servers[0].url)
    assert answers == [(False, None, "ConnectError"), (True, "5", None)]


async def test_a_redirect_is_not_followed_so_the_token_stays_here(servers: list[Server]) -> None:
    servers[0].answer = http(b"", "307 Temporary Redirect", f"location: {servers[1].url}/reload")
    assert await ask(servers[0].url) == [(False, None, "status 307")]
    assert not servers[1].heard


async def test_a_proxy_in_the_environment_is_not_used(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, servers[1].url)
    servers[0].answer = http(RELOADED)
    assert await ask(servers[0].url) == [(True, "5", None)]
    assert not servers[1].heard


async def test_an_endless_answer_is_cut_off(servers: list[Server]) -> None:
    servers[0].answer, servers[0].behave = b"HTTP/1.1 200 OK\r\n\r\n", "flood"
    assert await ask(servers[0].url) == [(False, None, "an answer of more than 65536 bytes")]


async def test_a_slow_drip_ends_at_the_deadline(servers: list[Server]) -> None:
    servers[0].answer, servers[0].behave = b"HTTP/1.1 200 OK\r\n\r\n", "drip"
    assert await ask(servers[0].url, seconds=0.3) == [(False, None, "no answer within 0.3 s")]


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>fine</html>"),
        http(b"[]"),
        http(b'{"status": "busy"}'),
        http(b"[" * 60_000),
        http(RELOADED, "500 Internal Server Error"),
        http(RELOADED, "401 Unauthorized"),
        b"nonsense\r\n\r\n",
        b"",
    ],
)
async def test_whatever_else_is_answered_is_a_problem_and_no_reload(
    servers: list[Server], answer: bytes
) -> None:
    servers[0].answer = answer
    ((reloaded, version, problem),) = await ask(servers[0].url)
    assert (reloaded, version) == (False, None)
    assert problem
    assert "canary" not in problem


async def test_without_servers_there_are_no_answers() -> None:
    assert await ask() == []
