"""A role waits visibly for what is away, ends in its grace, and does not live on with a dead part."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.client import HTTPResponse
from urllib.error import HTTPError

import pytest
from structlog.testing import capture_logs

from domain.errors import NeverRetry, Stop, TryLater
from service.local.servers.ports import free_port
from service.runtime.metrics import Metrics
from service.runtime.role import Parts, Role
from tests.kit.eventually import eventually


class Opening:
    """Opens parts with one task; fails first as often as it is told to."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.go = asyncio.Event()
        self.closed = False
        self.work: Callable[[], object] = self._work
        self.ended_late = asyncio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Parts]:
        if self.errors:
            raise self.errors.pop(0)
        try:
            yield Parts(tasks={"work": self._run})
        finally:
            self.closed = True

    async def _run(self) -> None:
        await self.work()  # type: ignore[misc] # any coroutine function

    async def _work(self) -> None:
        await self.go.wait()


def role(opening: Opening, grace_seconds: float = 5.0) -> Role:
    return Role("worker", opening.open, Metrics(), grace_seconds=grace_seconds)


async def get(port: int, path: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            response: HTTPResponse = opener.open(f"http://127.0.0.1:{port}{path}", timeout=5)
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()
        with response:
            return response.status, response.read().decode()

    return await asyncio.to_thread(ask)


async def test_while_a_service_is_away_the_role_lives_and_says_what_it_waits_for() -> None:
    away = TryLater("postgres_unavailable", "PostgreSQL does not answer", waiting_on="postgres")
    opening, port = Opening(*[away] * 1000), free_port()
    waiting = role(opening)
    task = asyncio.create_task(waiting.run("127.0.0.1", port))
    await eventually(lambda: len(opening.errors) < 1000)

    async def told() -> bool:
        status, text = await get(port, "/health/ready")
        return status == 503 and "PostgreSQL does not answer" in text

    await eventually(told)
    assert (await get(port, "/health/live"))[0] == 200
    opening.errors.clear()
    await asyncio.wait_for(waiting.ready.wait(), 10)
    assert (await get(port, "/health/ready"))[0] == 200
    waiting.stop()
    await asyncio.wait_for(task, 5)


async def test_a_role_that_waits_to_start_can_be_ended() -> None:
    opening = Opening(*[TryLater("away", "away", waiting_on="kafka")] * 1000)
    waiting = role(opening)
    task = asyncio.create_task(waiting.run("127.0.0.1", 0))
    await eventually(lambda: len(opening.errors) < 1000)
    waiting.stop()
    await asyncio.wait_for(task, 5)


async def test_a_start_that_takes_long_without_an_error_says_so_and_can_be_ended() -> None:
    @asynccontextmanager
    async def hangs() -> AsyncIterator[Parts]:
        await asyncio.Event().wait()
        yield Parts()

    starting = Role("worker", hangs, Metrics(), grace_seconds=5, slow_start_seconds=0.01)
    with capture_logs() as said:
        task = asyncio.create_task(starting.run("127.0.0.1", 0))
        await eventually(lambda: [line["event"] for line in said].count("still_starting") > 1)
        starting.stop()
        await asyncio.wait_for(task, 5)


async def test_what_can_never_work_stops_the_start() -> None:
    with pytest.raises(Stop) as caught:
        await role(Opening(Stop("topics_missing", "run topics ensure"))).run("127.0.0.1", 0)
    assert caught.value.reason == "topics_missing"


async def test_a_role_that_is_asked_to_end_closes_its_parts() -> None:
    opening = Opening()
    living = role(opening)
    task = asyncio.create_task(living.run("127.0.0.1", 0))
    await living.ready.wait()
    living.stop()
    await asyncio.wait_for(task, 5)
    assert opening.closed


async def test_a_part_that_does_not_end_is_left_behind_when_the_grace_is_over() -> None:
    opening = Opening()

    async def stubborn() -> None:
        while not opening.go.is_set():
            try:
                await opening.go.wait()
            except asyncio.CancelledError:
                continue

    opening.work = stubborn
    living = role(opening, grace_seconds=0.05)
    task = asyncio.create_task(living.run("127.0.0.1", 0))
    await living.ready.wait()
    living.stop()
    await asyncio.wait_for(task, 5)
    opening.go.set()


@pytest.mark.parametrize(
    ("error", "reason"), [(NeverRetry("schema_newer", "no"), "schema_newer"), (KeyError("x"), "part_died")]
)
async def test_a_dead_part_ends_the_role_with_its_reason(error: Exception, reason: str) -> None:
    opening = Opening()

    async def dies() -> None:
        raise error

    opening.work = dies
    with pytest.raises(Stop) as caught:
        await asyncio.wait_for(role(opening).run("127.0.0.1", 0), 5)
    assert caught.value.reason == reason
    assert opening.closed


async def test_a_part_that_just_ends_is_dead_too() -> None:
    opening = Opening()
    opening.go.set()
    with pytest.raises(Stop):
        await asyncio.wait_for(role(opening).run("127.0.0.1", 0), 5)


async def test_a_taken_port_is_said() -> None:
    first = role(Opening())
    port = free_port()
    task = asyncio.create_task(first.run("127.0.0.1", port))
    await first.ready.wait()
    with pytest.raises(Stop) as caught:
        await role(Opening()).run("127.0.0.1", port)
    assert caught.value.reason == "port_taken"
    first.stop()
    await task
