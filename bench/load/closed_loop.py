"""Closed-loop load: each connection asks again as soon as it was answered."""

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

from bench.load.connection import Connection


class Stint(NamedTuple):
    """What some connections got done: the seconds of each request, and of the whole."""

    each: list[float]
    whole: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.each) / self.whole


async def ask_on(port: int, requests: Sequence[bytes], connections: int, seconds: float) -> Stint:
    """Ask for some seconds. Raises SystemExit for an answer that is not 200."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        lanes = [
            group.create_task(_lane(port, [*requests[place:], *requests[:place]], began + seconds))
            for place in range(connections)
        ]
    return Stint([each for lane in lanes for each in lane.result()], time.perf_counter() - began)


async def _lane(port: int, requests: Sequence[bytes], until: float) -> list[float]:
    taken: list[float] = []
    async with Connection(port) as connection:
        for request in cycle(requests):
            began = time.perf_counter()
            if began >= until:
                return taken
            answer = await connection.ask(request)
            taken.append(time.perf_counter() - began)
            if answer.status != 200:
                raise SystemExit(f"port {port} answers {answer.status}: {answer.body[:500]!r}")
    return taken
