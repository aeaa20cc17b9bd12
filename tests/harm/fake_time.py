"""Time that passes only when a test says so, or when everybody sleeps."""

import asyncio
import heapq
from collections.abc import Coroutine
from datetime import datetime, timedelta
from itertools import count
from typing import Any, TypeVar

from tests.kit.builders import NOW

T = TypeVar("T")
_TURNS = 60  # of the event loop, until what does not sleep has come to rest


class FakeClock:
    """The port `Clock`; `slept` are the pauses that were asked for, in order."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._seconds = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._seconds + seconds, next(self._numbers), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking each sleeper at its moment."""
        until = self._seconds + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= until:
            await self._wake_next()
        self._seconds = until
        await settle()

    async def finish(self, work: Coroutine[Any, Any, T], within: float = 1e6) -> T:
        """Do the work; whenever everybody sleeps, time goes on to the next one's waking."""
        task = asyncio.ensure_future(work)
        until = self._seconds + within
        await settle()
        while not task.done():
            assert self._sleepers, "nobody sleeps, and it does not end"
            assert self._sleepers[0][0] <= until, f"not within {within} s"
            await self._wake_next()
        return task.result()

    async def _wake_next(self) -> None:
        moment, _, woken = heapq.heappop(self._sleepers)
        if not woken.done():
            self._seconds = max(self._seconds, moment)
            woken.set_result(None)
            await settle()


async def settle() -> None:
    """Let everything run that waits for nothing."""
    ready = vars(asyncio.get_running_loop())["_ready"]
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if not ready:  # a turn without work costs as much as one with it
            return
