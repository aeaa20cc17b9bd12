"""Port `InferenceServers`: the fake keeps the promises of the real one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from domain.ports.inference_servers import InferenceServers
from service.adapters.http.inference_servers import HttpInferenceServers
from tests.fakes.inference_servers import FakeInferenceServers

# Makes servers of which the first `up` answer and serve version 5, and the other `down` do not.
Make = Callable[[int, int], Awaitable[InferenceServers]]

RELOADED = b'{"status": "reloaded", "model_version": "5"}'


class InferenceServersContract:
    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    async def test_each_server_answers_for_itself_in_order(self, make: Make) -> None:
        answers = await (await make(2, 1)).reload(3, 5)
        assert [one.reloaded for one in answers] == [True, True, False]
        assert [one.model_version for one in answers] == ["5", "5", None]
        assert len({one.server for one in answers}) == 3

    async def test_one_that_is_down_is_an_answer_with_its_problem_and_no_error(self, make: Make) -> None:
        (answer,) = await (await make(0, 1)).reload(3, 5)
        assert not answer.reloaded
        assert answer.problem

    async def test_no_servers_no_answers(self, make: Make) -> None:
        assert list(await (await make(0, 0)).reload(3, 5)) == []

    async def test_asking_again_is_safe(self, make: Make) -> None:
        servers = await make(1, 1)
        assert list(await servers.reload(3, 5)) == list(await servers.reload(3, 5))


class TestFake(InferenceServersContract):
    @pytest.fixture
    def make(self) -> Make:
        async def of(up: int, down: int) -> InferenceServers:
            names = [f"up-{n}" for n in range(up)] + [f"down-{n}" for n in range(down)]
            return FakeInferenceServers(*names, down=names[up:])

        return of


class TestHttp(InferenceServersContract):
    @pytest.fixture
    async def make(self) -> AsyncIterator[Make]:
        listening: list[asyncio.Server] = []
        clients: list[HttpInferenceServers] = []

        async def of(up: int, down: int) -> InferenceServers:
            listening.extend([await asyncio.start_server(_answer, "127.0.0.1", 0) for _ in range(up)])
            urls = [f"http://127.0.0.1:{one.sockets[0].getsockname()[1]}" for one in listening]
            clients.append(HttpInferenceServers([*urls, *_nowhere(down)], "token", seconds=5))
            return clients[-1]

        yield of
        for client in clients:
            await client.stop()
        for listener in listening:
            listener.close()


def _nowhere(count: int) -> Sequence[str]:
    return [f"http://127.0.0.1:{port}" for port in range(1, count + 1)]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(RELOADED)}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode() + RELOADED)
    await writer.drain()
    writer.close()
