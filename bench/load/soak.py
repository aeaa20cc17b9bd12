"""Many reloads under load: what fails, what it costs in time, and what it leaves in memory."""

import asyncio
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from bench.load.alternation import Alternation, Move
from bench.load.apart import LoadApart
from bench.load.houses import GRADIENT_BOOSTING, HIST_GRADIENT_BOOSTING, house_package, house_rows
from bench.load.judge import Verdict, judge
from bench.load.open_loop import Call, Plan
from bench.load.replicas import replicas
from bench.processes import tree_megabytes
from service.local.servers.role import EmbeddedRole
from tests.worlds.registered_models import open_shelf

TOKEN: Final = "of-the-soak"  # noqa: S105 - for servers on this machine, for minutes
_REPLICAS: Final = 2
_ROWS: Final = 50
_WARM_SECONDS: Final = 5.0
_RESULTS: Final = re.compile(r'^laurel_reloads_total\{.*result="(\w+)".*\} (\d+)', re.MULTILINE)


@dataclass(frozen=True)
class SoakPlan:
    """`rounds` times some seconds without reloads, and then a part of the reloads, `every` seconds one."""

    reloads: int
    rate: float = 200.0
    rounds: int = 4
    quiet_seconds: float = 15.0
    every: float = 1.0


@dataclass
class Soak:
    """What came of it. Windows are monotonic times; `megabytes` is by replica, behind 0, 1 … rounds."""

    plan: SoakPlan
    quiet: list[tuple[float, float]] = field(default_factory=list)
    moves: list[list[Move]] = field(default_factory=list)
    megabytes: list[list[float]] = field(default_factory=list)
    results: Mapping[str, int] = field(default_factory=dict)
    calls: Sequence[Call] = ()
    verdict: Verdict | None = None

    @property
    def refused(self) -> list[Move]:
        """Moves that a replica did not follow."""
        return [move for round_ in self.moves for move in round_ if not _is_followed(move)]

    @property
    def without(self) -> list[Call]:
        """The answered calls that were due in a time without reloads."""
        return _due_in(self.calls, self.quiet)

    @property
    def beside(self) -> list[Call]:
        """The answered calls that were due from the first reload of a round to its last."""
        return _due_in(self.calls, [(moves[0].began, moves[-1].ended) for moves in self.moves])

    @property
    def during(self) -> list[Call]:
        """The answered calls that were due while a reload was in hand."""
        each = [(move.alias_moved, move.ended) for moves in self.moves for move in moves]
        return _due_in(self.calls, each)

    def document(self) -> dict[str, Any]:
        """All of it as JSON values, without the single calls."""
        assert self.verdict is not None
        return {
            "plan": vars(self.plan),
            "requests": self.verdict.calls,
            "failed": dict(self.verdict.failed),
            "wrong": [call._asdict() for call in self.verdict.wrong],
            "backwards": len(self.verdict.backwards),
            "reload_seconds": [move.ended - move.alias_moved for moves in self.moves for move in moves],
            "seconds_without": [call.seconds for call in self.without],
            "seconds_with": [call.seconds for call in self.beside],
            "megabytes": self.megabytes,
            "results": dict(self.results),
        }


async def soak(folder: Path, tracking_uri: str, plan: SoakPlan) -> Soak:
    """Load two replicas while the alias moves between two models of the example."""
    pair = (
        house_package(folder / "hist", HIST_GRADIENT_BOOSTING),
        house_package(folder / "boosting", GRADIENT_BOOSTING),
    )
    rows, done = house_rows(_ROWS), Soak(plan)
    async with open_shelf(tracking_uri, folder / "scratch") as shelf:
        alternation = await Alternation.begin(shelf, pair, TOKEN)
        with replicas(_REPLICAS, folder, tracking_uri, shelf.model_name, TOKEN) as started:
            ports = [role.port for role in started]
            with LoadApart(Plan(ports, rows, plan.rate, token=TOKEN)) as loading:
                await asyncio.sleep(_WARM_SECONDS)
                for _ in range(plan.rounds):
                    await _round(alternation, started, done)
                _weigh(started, done)
            done.results = await _results(ports)
    done.calls = loading.calls
    done.verdict = judge(done.calls, alternation.truth(rows, folder / "truth"))
    return done


async def _round(alternation: Alternation, started: Sequence[EmbeddedRole], done: Soak) -> None:
    plan, ports = done.plan, [role.port for role in started]
    began = time.monotonic()
    await asyncio.sleep(plan.quiet_seconds)
    done.quiet.append((began, time.monotonic()))
    _weigh(started, done)
    moves: list[Move] = []
    due = time.monotonic()
    for _ in range(plan.reloads // plan.rounds):
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        due += plan.every
        moves.append(await alternation.move(ports))
    done.moves.append(moves)


def _weigh(started: Sequence[EmbeddedRole], done: Soak) -> None:
    done.megabytes.append([tree_megabytes(role.pid or 0) for role in started])


async def _results(ports: Sequence[int]) -> Mapping[str, int]:
    """Reloads by result, as the replicas' own metrics count them; the first load at the start is one."""
    found: Counter[str] = Counter()
    async with httpx.AsyncClient(trust_env=False) as client:
        for port in ports:
            said = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
            found.update({result: int(count) for result, count in _RESULTS.findall(said)})
    return found


def _due_in(calls: Sequence[Call], windows: Sequence[tuple[float, float]]) -> list[Call]:
    return [
        call for began, ended in windows for call in calls if began <= call.due <= ended and not call.fault
    ]


def _is_followed(move: Move) -> bool:
    return all(status == HTTPStatus.OK and told["changed"] for status, told in move.answers)
