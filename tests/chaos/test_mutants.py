"""The suite is tested too: each broken protocol must be caught by the case that is there for it.

One is caught here; `make soak` catches all ten (three minutes).
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import make_url

from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.mutants import MUTANTS
from tests.chaos.world import Chaos
from tests.harm.proxies import FaultProxy, err, lost
from tests.harm.wire_formats import Http, Postgres, http, postgres
from tests.kit.eventually import eventually

Case = Callable[[Chaos, str], Awaitable[None]]


async def _killed_at(world: Chaos, mutant: str, point: Point) -> None:
    """One run whose worker dies at a point and comes back, and one behind it."""
    await world.fleet.running("a", mutant=mutant)
    world.orders.kill_at(point)
    await world.ask(101)
    async with world.fleet.kept_alive():
        await eventually(lambda: not world.orders.armed())
        await world.ask(105)
        await eventually(
            lambda: any(row[0] for row in world.rows("SELECT ended FROM laurel.runs")), within=30
        )


async def commits_first(world: Chaos, mutant: str) -> None:
    """C01 at `inbox.before_insert`."""
    await _killed_at(world, mutant, Point.INBOX_BEFORE_INSERT)


async def _another_promotes(world: Chaos, mutant: str, point: Point) -> None:
    """A promoter is held at a point while a second one promotes, and then goes on."""
    await world.fleet.running("a", "b", mutant=mutant, WORKER__RECONCILE_SECONDS="3600")
    world.orders.hold_at(point)
    await world.ask(101)
    await world.orders.held(point)
    await world.ask(105)
    await world.ended(1)
    world.orders.go(point)
    await world.ended(2)


async def projects_its_own(world: Chaos, mutant: str) -> None:
    """P03."""
    await _another_promotes(world, mutant, Point.PROJECT_BEFORE_ALIAS)


async def keeps_the_verdict(world: Chaos, mutant: str) -> None:
    """P09: the head moves between verdict and insert."""
    await _another_promotes(world, mutant, Point.DECIDE_BEFORE_COMMIT)


async def writes_in_place(world: Chaos, mutant: str) -> None:
    """F05: a reader in a tight loop."""
    await world.fleet.running("a", mutant=mutant)
    await world.ask(101)
    await world.ended(1)


async def ignores_the_lease(world: Chaos, mutant: str) -> None:
    """K05: stopped, taken over, awake again."""
    await world.fleet.running("a", "b", mutant=mutant)
    world.orders.hold_at(Point.SPLIT_BEFORE_COMMIT)
    await world.ask(101)
    sleeper = await world.held_worker(Point.SPLIT_BEFORE_COMMIT)
    sleeper.stop()
    world.orders.go(Point.SPLIT_BEFORE_COMMIT)
    world.orders.hold_at(Point.EVALUATE_BEFORE_COMMIT)
    await world.orders.held(Point.EVALUATE_BEFORE_COMMIT)
    sleeper.wake()
    await eventually(lambda: sleeper.said('"was": "RESOLVED"') > 0)
    world.orders.go(Point.EVALUATE_BEFORE_COMMIT)


async def announces_apart(world: Chaos, mutant: str) -> None:
    """C01 at `version.after_commit`."""
    await _killed_at(world, mutant, Point.VERSION_AFTER_COMMIT)


async def marks_first(world: Chaos, mutant: str) -> None:
    """C01 at `relay.before_send`."""
    await _killed_at(world, mutant, Point.RELAY_BEFORE_SEND)


async def never_reads_back(world: Chaos, mutant: str) -> None:
    """M01: the answer to `runs/create` is lost."""
    address = urlsplit(world.where.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        proxy.add(lost(http("POST", "runs/create"), times=1))
        await world.fleet.running("a", mutant=mutant, MLFLOW_TRACKING_URI=proxy.url)
        await world.ask(101)
        await world.ended(1)


async def errors_mean_no_champion(world: Chaos, mutant: str) -> None:
    """P05 on a registry that somebody filled before: its production is overwritten."""
    await _somebody_s_production(world)
    world.witness.did.alias_moves.append(1)
    address = urlsplit(world.where.tracking_uri)
    async with FaultProxy(address.port or 0, Http(address.netloc)) as proxy:
        proxy.add(err(500, "oops", http("GET", "registered-models/get")))
        await world.fleet.running("a", mutant=mutant, MLFLOW_TRACKING_URI=proxy.url)
        await world.ask(101)
        await world.promoted(1)
        proxy.clear()


async def _somebody_s_production(world: Chaos) -> None:
    model = world.where.model_name
    async with httpx.AsyncClient(base_url=world.where.tracking_uri, trust_env=False) as client:

        async def post(endpoint: str, **body: str) -> Any:
            answer = await client.post(f"/api/2.0/mlflow/{endpoint}", json=body)
            answer.raise_for_status()
            return answer.json()

        run = (await post("runs/create", experiment_id="0"))["run"]["info"]["run_id"]
        await post("registered-models/create", name=model)
        await post("model-versions/create", name=model, source=f"runs:/{run}/model", run_id=run)
        await post("registered-models/alias", name=model, alias="prod", version="1")


async def does_it_again(world: Chaos, mutant: str) -> None:
    """C08: the answer to the insert of a request is lost."""
    direct = make_url(world.deployment.database_url)
    async with FaultProxy(direct.port or 0, Postgres(), target_host=direct.host or "") as proxy:
        through = direct.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        await world.fleet.running("a", mutant=mutant, DATABASE_URL=through)
        fault = proxy.add(lost(postgres("insert into laurel.runs"), times=1))
        await world.ask(101)
        await eventually(lambda: fault.hits)
        await world.ended(1)


QUICK_CASES: dict[str, tuple[Case, set[str]]] = {
    "1 commits before it stores": (commits_first, {"I8", "I1"}),
}
SLOW_CASES: dict[str, tuple[Case, set[str]]] = {
    "2 projects its own version": (projects_its_own, {"I4"}),
    "3 writes files in place": (writes_in_place, {"I6"}),
    "4 never reads back": (never_reads_back, {"I2"}),
    "5 ignores the lease": (ignores_the_lease, {"I1"}),
    "6 announces in another transaction": (announces_apart, {"I5"}),
    "7 errors mean no champion": (errors_mean_no_champion, {"I3"}),
    "8 does it again": (does_it_again, {"I1"}),
    "9 marks before it sends": (marks_first, {"I5"}),
    "10 keeps the verdict": (keeps_the_verdict, {"I3"}),
}
CASES = QUICK_CASES | SLOW_CASES


@pytest.mark.parametrize(
    "mutant", [*QUICK_CASES, *(pytest.param(name, marks=pytest.mark.soak) for name in SLOW_CASES)]
)
async def test_a_broken_protocol_is_caught(world: Chaos, mutant: str) -> None:
    """What a mutant breaks stays broken however long one waits, so it is found when all else is at rest."""
    case, expected = CASES[mutant]
    await case(world, mutant)
    found = await world.broken_at_rest(expected)
    assert found & expected, found
    FIGURES.add("mutants caught")


def test_every_mutant_has_a_case() -> None:
    assert CASES.keys() == MUTANTS.keys()
