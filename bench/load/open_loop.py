"""Open-loop load: requests leave on a schedule, and an answer's time counts from when its request was due.

A server that stops for a moment is so held to account for all requests that were due meanwhile.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from bench.load.connection import Answer, Connection, request


@dataclass(frozen=True)
class Plan:
    """Requests a second over all replicas, each with connections of its own; the rows take turns."""

    ports: Sequence[int]
    rows: Sequence[Mapping[str, Any]]
    rate: float
    connections: int = 4
    token: str | None = None


class Call(NamedTuple):
    """One request and what came of it. `due` is monotonic; `fault` is empty for a good answer.

    `late` are the seconds, of all, by which the load itself woke up too late.
    """

    port: int
    connection: int
    row: int
    due: float
    late: float
    seconds: float = 0.0
    prediction: float = 0.0
    version: str = ""
    generation: int = 0
    fault: str = ""


class _Pace(NamedTuple):
    """When one connection's requests are due."""

    first: float
    every: float


async def load(plan: Plan, is_over: Callable[[], bool], calls: list[Call]) -> None:
    """Send requests until it is over; every call is appended as it ends."""
    headers = {"Authorization": f"Bearer {plan.token}"} if plan.token else {}
    requests = [request("/predict", row, headers) for row in plan.rows]
    lanes = len(plan.ports) * plan.connections
    began = time.monotonic() + 0.1
    paces = [_Pace(began + place / plan.rate, lanes / plan.rate) for place in range(lanes)]
    async with asyncio.TaskGroup() as group:
        for place, pace in enumerate(paces):
            group.create_task(_lane(plan, requests, place, pace, is_over, calls))


async def _lane(
    plan: Plan,
    requests: Sequence[bytes],
    place: int,
    pace: _Pace,
    is_over: Callable[[], bool],
    calls: list[Call],
) -> None:
    port, sent = plan.ports[place % len(plan.ports)], 0
    async with Connection(port) as connection:
        while not is_over():
            due = pace.first + sent * pace.every
            late = await _until(due)
            row, sent = (place + sent) % len(requests), sent + 1
            calls.append(await _ask(connection, requests[row], Call(port, place, row, due, late)))


async def _until(due: float) -> float:
    """Sleep, and return by how much that was too long."""
    free = time.monotonic()
    await asyncio.sleep(max(0.0, due - free))
    return time.monotonic() - max(due, free)


async def _ask(connection: Connection, asked: bytes, call: Call) -> Call:
    try:
        answer = await connection.ask(asked)
    except (OSError, EOFError) as error:
        return call._replace(fault=f"{type(error).__name__}: {error}")
    return _heard(answer, call._replace(seconds=time.monotonic() - call.due))


def _heard(answer: Answer, call: Call) -> Call:
    try:
        said = json.loads(answer.body)
        return call._replace(
            prediction=float(said["prediction"]),
            version=str(said["model_version"]),
            generation=int(answer.headers["laurel-generation"]),
            fault="" if answer.status == HTTPStatus.OK else f"{answer.status}",
        )
    except (ValueError, LookupError, TypeError):
        return call._replace(fault=f"{answer.status}: {answer.body[:200]!r}")
