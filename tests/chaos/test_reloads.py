"""R: reloads under load. No prediction fails, and each is the one of the version that it names."""

import asyncio
from pathlib import Path

import pytest

from bench.load.alternation import Alternation, Move
from bench.load.judge import judge
from bench.load.open_loop import Call, Plan, load
from bench.load.replicas import replicas
from tests.chaos.figures import FIGURES
from tests.kit.eventually import eventually
from tests.worlds.registered_models import ROWS, open_shelf, small_package
from tests.worlds.servers import MlflowServer

TOKEN = "canary-of-the-reloads"  # noqa: S105 - a test's own


@pytest.mark.parametrize(("reloads", "rate"), [(3, 100), pytest.param(6, 200, marks=pytest.mark.soak)])
async def test_no_prediction_is_lost_or_mixed_up_while_two_replicas_reload_under_load(
    mlflow_server: MlflowServer, tmp_path: Path, reloads: int, rate: int
) -> None:
    """R01: promotions, to and fro, while requests come on a schedule that waits for nobody."""
    first, second = (small_package(tmp_path / "packages", seed=seed) for seed in (3, 4))
    async with open_shelf(mlflow_server.tracking_uri, tmp_path / "scratch") as shelf:
        alternation = await Alternation.begin(shelf, (first, second), TOKEN)
        with replicas(2, tmp_path, shelf.access.url, shelf.model_name, TOKEN) as started:
            ports = [role.port for role in started]
            over, calls, moves = asyncio.Event(), list[Call](), list[Move]()
            async with asyncio.TaskGroup() as group:
                plan = Plan(ports, ROWS, rate=rate, token=TOKEN)
                group.create_task(load(plan, over.is_set, calls))
                for _ in range(reloads):
                    moves.append(await alternation.move(ports))
                    await eventually(lambda: _heard_from(calls, moves[-1].generation) == set(ports))
                over.set()
    truth = alternation.truth(ROWS, tmp_path / "truth")
    verdict = judge(calls, truth)
    FIGURES.add("reloads under load", reloads * len(ports))
    FIGURES.add("reloads under load → failed predictions", sum(verdict.failed.values()))
    one, two = truth.predictions.values()
    assert one != pytest.approx(two, rel=1e-3), "the models must be told apart"
    assert [move.generation for move in moves] == [*range(2, reloads + 2)]
    assert all(_is_new(move) for move in moves), moves
    assert not verdict.failed
    assert not verdict.wrong
    assert not verdict.backwards


def _heard_from(calls: list[Call], generation: int) -> set[int]:
    """The replicas that have answered a prediction with this generation."""
    return {call.port for call in calls if call.generation == generation}


def _is_new(move: Move) -> bool:
    """Every replica has reloaded, and to this generation."""
    return all(
        status == 200 and told["changed"] and told["generation"] == move.generation
        for status, told in move.answers
    )
