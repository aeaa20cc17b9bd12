"""Predictions over HTTP: `laurel inference` beside `mlflow models serve`, one process each, in turns.

Both serve the same logged models of the example deployment; one is asked while the other rests.
"""

import json
import re
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from bench.load.closed_loop import Stint, ask_on
from bench.load.connection import Connection, request
from bench.load.houses import GRADIENT_BOOSTING, HIST_GRADIENT_BOOSTING, house_package, house_rows
from bench.load.replicas import replicas
from bench.scoring_server import ScoringServer
from tests.worlds.registered_models import open_shelf

MODELS: Final = {
    "gradient_boosting": GRADIENT_BOOSTING,
    "hist_gradient_boosting": HIST_GRADIENT_BOOSTING,
}
LAUREL, MLFLOW = "laurel", "mlflow"
_TOKEN: Final = "of-the-bench"  # noqa: S105 - for a server on this machine, for minutes
_SINGLES: Final = 50
_MANY: Final = 1000
_READY_SECONDS: Final = 120.0
_SUMS: Final = re.compile(
    r'^\w+_duration_seconds_(sum|count)\{.*(rows="one"|endpoint="/predict").*\} (\S+)$', re.MULTILINE
)


class Case(NamedTuple):
    """What is asked, and over how many connections."""

    model: str
    rows: int
    connections: int


@dataclass(frozen=True)
class ServingPlan:
    """How often and how long each rival is asked for each case."""

    rounds: int
    seconds: float


class Share(NamedTuple):
    """Mean seconds of a request for one row: as the client sees it, within the server, in the model."""

    client: float
    server: float
    model: float


@dataclass
class ServingFigures:
    """Stints by case and rival, one for each round; shares of the server's time by model."""

    stints: dict[Case, dict[str, list[Stint]]] = field(default_factory=dict)
    shares: dict[str, Share] = field(default_factory=dict)

    def document(self) -> list[dict[str, Any]]:
        """All of it as JSON values."""
        return [
            {**case._asdict(), "rival": rival, "seconds": stint.each, "whole_seconds": stint.whole}
            for case, rivals in self.stints.items()
            for rival, stints in rivals.items()
            for stint in stints
        ]


class _Rival(NamedTuple):
    name: str
    port: int
    singles: list[bytes]
    many: list[bytes]

    def requests(self, case: Case) -> list[bytes]:
        return self.singles if case.rows == 1 else self.many


async def measure_serving(folder: Path, tracking_uri: str, plan: ServingPlan) -> ServingFigures:
    """Measure both servers with each model."""
    figures = ServingFigures()
    for name, version in MODELS.items():
        package = house_package(folder / name, version)
        async with open_shelf(tracking_uri, folder / f"{name}-scratch") as shelf:
            number = (await shelf.promote(package, 1)).version
            uri = f"models:/{shelf.model_name}/{number}"
            with _rivals(folder / name, tracking_uri, shelf.model_name, uri) as rivals:
                await _require_same(rivals)
                await _race(name, rivals, plan, figures)
    return figures


@contextmanager
def _rivals(folder: Path, tracking_uri: str, model_name: str, uri: str) -> Iterator[tuple[_Rival, _Rival]]:
    with (
        replicas(1, folder, tracking_uri, model_name, _TOKEN) as (replica,),
        ScoringServer(folder / "mlflow", tracking_uri, uri) as server,
    ):
        rows = house_rows(_MANY)
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        yield (
            _Rival(
                LAUREL,
                replica.port,
                [request("/predict", row, headers) for row in rows[:_SINGLES]],
                [request("/predict", rows, headers)],
            ),
            _Rival(
                MLFLOW,
                server.port,
                [request("/invocations", {"dataframe_records": [row]}) for row in rows[:_SINGLES]],
                [request("/invocations", {"dataframe_records": rows})],
            ),
        )


async def _require_same(rivals: tuple[_Rival, _Rival]) -> None:
    """Neither may be quick because it says something else."""
    laurel, mlflow = [await _said(rival) for rival in rivals]
    ours = [answer["prediction"] for answer in laurel]
    if not all(isclose(a, b, rel_tol=1e-9) for a, b in zip(ours, mlflow["predictions"], strict=True)):
        raise SystemExit("the two servers do not predict the same")


async def _said(rival: _Rival) -> Any:
    async with Connection(rival.port) as connection:
        return json.loads((await connection.ask(rival.many[0])).body)


async def _race(
    model: str, rivals: tuple[_Rival, _Rival], plan: ServingPlan, figures: ServingFigures
) -> None:
    cases = [Case(model, rows, connections) for rows in (1, _MANY) for connections in (1, 8)]
    for rival in rivals:
        await ask_on(rival.port, rival.singles, 1, plan.seconds)  # warm
    for number in range(plan.rounds):
        for case in cases:
            stints = figures.stints.setdefault(case, {LAUREL: [], MLFLOW: []})
            for rival in rivals if number % 2 == 0 else reversed(rivals):
                asked = rival.requests(case)
                stints[rival.name].append(await ask_on(rival.port, asked, case.connections, plan.seconds))
    figures.shares[model] = await _share(rivals[0], plan.seconds)


async def _share(laurel: _Rival, seconds: float) -> Share:
    """Where a request for one row spends its time, as the server itself measures it."""
    before = _sums(laurel.port)
    stint = await ask_on(laurel.port, laurel.singles, 1, seconds)
    after = _sums(laurel.port)
    spent = {key: after[key] - before.get(key, 0.0) for key in after}
    server, model = (
        spent[label, "sum"] / spent[label, "count"] for label in ('endpoint="/predict"', 'rows="one"')
    )
    return Share(fmean(stint.each), server, model)


def _sums(port: int) -> Mapping[tuple[str, str], float]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {(label, kind): float(value) for kind, label, value in _SUMS.findall(text)}
