"""Predictions over HTTP: `laurel inference` beside two other servers, one process each, in turns.

All serve the same models of the example deployment; one is asked while the others rest.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from bench.load.closed_loop import Stint, ask_on
from bench.load.connection import Connection, request
from bench.load.houses import GRADIENT_BOOSTING, HIST_GRADIENT_BOOSTING, house_package, house_rows
from bench.load.replicas import replicas
from bench.scoring_server import FastApiServer, ScoringServer
from bench.serving_stages import StagedModel, Stages
from tests.worlds.registered_models import open_shelf

MODELS: Final = {
    "gradient_boosting": GRADIENT_BOOSTING,
    "hist_gradient_boosting": HIST_GRADIENT_BOOSTING,
}
LAUREL, FASTAPI, MLFLOW = "laurel", "fastapi", "mlflow"
_TOKEN: Final = "of-the-bench"  # noqa: S105 - for a server on this machine, for minutes
_SINGLES: Final = 50
_MANY: Final = 1000


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


class Spent(NamedTuple):
    """Where the time of a request goes: as the client sees it (median seconds), and step by step."""

    client: float
    stages: Stages


@dataclass
class ServingFigures:
    """Stints by case and rival, one for each round; what a request's time is spent on, by model and rows."""

    stints: dict[Case, dict[str, list[Stint]]] = field(default_factory=dict)
    spent: dict[tuple[str, int], Spent] = field(default_factory=dict)

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
    """Measure all servers with each model."""
    figures = ServingFigures()
    for name, version in MODELS.items():
        package = house_package(folder / name, version)
        async with open_shelf(tracking_uri, folder / f"{name}-scratch") as shelf:
            number = (await shelf.promote(package, 1)).version
            uri = f"models:/{shelf.model_name}/{number}"
            with _rivals(folder / name, tracking_uri, shelf.model_name, uri) as rivals:
                await _require_same(rivals)
                await _race(name, rivals, plan, figures)
                await _spend(name, rivals[0], StagedModel(folder / name / "model", package), plan, figures)
    return figures


@contextmanager
def _rivals(folder: Path, tracking_uri: str, model_name: str, uri: str) -> Iterator[Sequence[_Rival]]:
    with (
        replicas(1, folder, tracking_uri, model_name, _TOKEN) as (replica,),
        FastApiServer(folder / "fastapi", folder / "model", folder.name) as fastapi,
        ScoringServer(folder / "mlflow", tracking_uri, uri) as mlflow,
    ):
        rows = house_rows(_MANY)
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        yield (
            _rival(LAUREL, replica.port, rows, headers),
            _rival(FASTAPI, fastapi.port, rows, {}),
            _Rival(
                MLFLOW,
                mlflow.port,
                [request("/invocations", {"dataframe_records": [row]}) for row in rows[:_SINGLES]],
                [request("/invocations", {"dataframe_records": rows})],
            ),
        )


def _rival(name: str, port: int, rows: Sequence[Any], headers: dict[str, str]) -> _Rival:
    singles = [request("/predict", row, headers) for row in rows[:_SINGLES]]
    return _Rival(name, port, singles, [request("/predict", rows, headers)])


async def _require_same(rivals: Sequence[_Rival]) -> None:
    """None may be quick because it says something else."""
    laurel, fastapi, mlflow = [await _said(rival) for rival in rivals]
    ours = [answer["prediction"] for answer in laurel]
    for theirs in ([answer["prediction"] for answer in fastapi], mlflow["predictions"]):
        if not all(isclose(a, b, rel_tol=1e-9) for a, b in zip(ours, theirs, strict=True)):
            raise SystemExit("the servers do not predict the same")


async def _said(rival: _Rival) -> Any:
    async with Connection(rival.port) as connection:
        return json.loads((await connection.ask(rival.many[0])).body)


async def _race(model: str, rivals: Sequence[_Rival], plan: ServingPlan, figures: ServingFigures) -> None:
    cases = [Case(model, rows, connections) for rows in (1, _MANY) for connections in (1, 8)]
    for rival in rivals:
        await ask_on(rival.port, rival.singles, 1, plan.seconds)  # warm
    for number in range(plan.rounds):
        for case in cases:
            stints = figures.stints.setdefault(case, {rival.name: [] for rival in rivals})
            for rival in rivals if number % 2 == 0 else reversed(rivals):
                asked = rival.requests(case)
                stints[rival.name].append(await ask_on(rival.port, asked, case.connections, plan.seconds))


async def _spend(
    model: str, laurel: _Rival, staged: StagedModel, plan: ServingPlan, figures: ServingFigures
) -> None:
    """Ask the server, and take the same steps in this process, in turns."""
    rows = house_rows(_MANY)
    for case in (Case(model, 1, 1), Case(model, _MANY, 1)):
        asked = rows[0] if case.rows == 1 else rows
        each, stages = [], []
        for _ in range(plan.rounds):
            each += (await ask_on(laurel.port, laurel.requests(case), 1, plan.seconds)).each
            stages.append(staged.stages(asked, plan.seconds))
        middle = Stages(*map(median, zip(*stages, strict=True)))
        figures.spent[model, case.rows] = Spent(median(each), middle)
