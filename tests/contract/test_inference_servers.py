"""Port `InferenceServers`: the fake keeps the promises of the real one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from domain.ports.inference_servers import InferenceServers
from service.adapters.http.inference_servers import HttpInferenceServers
from tests.fakes.inference_servers import FakeInferenceServers
from tests.worlds.stand_in_server import TOKEN, StandIn

# Makes servers of which the first `up` answer, and the other `down` do not.
Make = Callable[[int, int], Awaitable[InferenceServers]]


class InferenceServersContract:
    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    async def test_each_server_is_a_replica_in_order(self, make: Make) -> None:
        servers = await make(2, 1)
        found = await servers.replicas()
        assert len({one.name for one in found}) == 3
        assert list(await servers.replicas()) == list(found)

    async def test_what_was_loaded_is_what_is_seen(self, make: Make) -> None:
        servers = await make(1, 0)
        (replica,) = await servers.replicas()
        assert await servers.reload(replica, 3, 5, seconds=5) is None
        served = (await servers.look(replica, seconds=5)).served
        assert served is not None
        assert (served.generation, served.version) == (3, 5)

    async def test_one_without_a_model_says_so_and_is_no_error(self, make: Make) -> None:
        servers = await make(1, 0)
        (replica,) = await servers.replicas()
        served = (await servers.look(replica, seconds=5)).served
        assert served is not None
        assert served.version is None

    async def test_an_older_generation_is_refused(self, make: Make) -> None:
        servers = await make(1, 0)
        (replica,) = await servers.replicas()
        await servers.reload(replica, 3, 5, seconds=5)
        problem = await servers.reload(replica, 2, 4, seconds=5)
        assert problem is not None
        assert problem.reason == "conflict"

    async def test_one_that_is_down_is_an_answer_with_its_problem_and_no_error(self, make: Make) -> None:
        servers = await make(0, 1)
        (replica,) = await servers.replicas()
        observation = await servers.look(replica, seconds=5)
        assert (observation.served, observation.answered) == (None, False)
        assert (await servers.reload(replica, 3, 5, seconds=5)) == observation.problem

    async def test_no_servers_no_replicas(self, make: Make) -> None:
        assert list(await (await make(0, 0)).replicas()) == []

    async def test_asking_again_is_safe(self, make: Make) -> None:
        servers = await make(1, 0)
        (replica,) = await servers.replicas()
        assert [await servers.reload(replica, 3, 5, seconds=5) for _ in range(2)] == [None, None]


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
        standing: list[StandIn] = []
        clients: list[HttpInferenceServers] = []

        async def of(up: int, down: int) -> InferenceServers:
            standing.extend([await StandIn().start() for _ in range(up)])
            clients.append(HttpInferenceServers([*(one.url for one in standing), *_nowhere(down)], TOKEN))
            return clients[-1]

        yield of
        for client in clients:
            await client.stop()
        for server in standing:
            await server.stop()


def _nowhere(count: int) -> Sequence[str]:
    return [f"http://127.0.0.1:{port}" for port in range(1, count + 1)]
