"""A person's decision is cut short at each of its points: a repeat, or the reconciler, brings it to its end.

Its cost: a process for each kill, and three worlds with three registered models each.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import pytest

from domain.errors import TryLater
from domain.ledger import LedgerEntry
from domain.points import Point, Points
from service.adapters.postgres.schema import upgrade
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.worker_parts import reconciler_in
from tests.chaos.figures import FIGURES
from tests.chaos.orders import Orders
from tests.chaos.person import decide
from tests.chaos.points import FOLDER_VARIABLE
from tests.e2e.deployment import Deployment
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Http
from tests.integration.postgres_admin import ask, proxied
from tests.kit.settings_of import settings_of
from tests.kit.warm_starts import Nursery
from tests.worlds.own_requests import begin_here
from tests.worlds.registered_models import small_package
from tests.worlds.reigns import opened, reign

KILLED: Final = -9
SAID: Final = ("model.promoted", "model.quarantined", "model.quarantine_lifted", "promotion.held",
               "promotion.released")  # fmt: skip
PROMOTING: Final = ("rollback", "promote")


class Case(NamedTuple):
    """A command about a generation or version, and the point where it is cut short."""

    command: str
    about: int
    point: Point
    by_reconciler: bool = False

    @property
    def is_made(self) -> bool:
        """True when what was ordered stands already."""
        return self.point.endswith("after_commit")


# Each stands on what those before it have left: version 3 reigns.
CASES: Final = (
    Case("hold", 0, Point.HOLD_BEFORE_COMMIT),
    Case("release", 0, Point.RELEASE_BEFORE_COMMIT),
    Case("hold", 0, Point.HOLD_AFTER_COMMIT),
    Case("release", 0, Point.RELEASE_AFTER_COMMIT),
    Case("rollback", 2, Point.ROLLBACK_BEFORE_COMMIT),
    Case("rollback", 1, Point.ROLLBACK_AFTER_COMMIT),
    Case("lift", 3, Point.LIFT_BEFORE_COMMIT),
    Case("lift", 4, Point.LIFT_AFTER_COMMIT),  # version 2 again, which the second rollback left
    Case("promote", 2, Point.PROMOTE_BEFORE_COMMIT),
    Case("promote", 3, Point.PROMOTE_AFTER_COMMIT),
    Case("promote", 2, Point.PROMOTE_AFTER_COMMIT, by_reconciler=True),
    Case("rollback", 1, Point.ROLLBACK_AFTER_COMMIT, by_reconciler=True),
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Three models."""
    folder = tmp_path_factory.mktemp("packages")
    return [small_package(folder, seed=seed) for seed in (3, 4, 5)]


@pytest.fixture
async def environment(
    deployment: Deployment, tmp_path: Path, packages: list[dict[str, bytes]]
) -> dict[str, str]:
    """The environment of a model whose third generation is champion."""
    await begin_here(deployment.bootstrap_servers, deployment.model)
    await asyncio.to_thread(upgrade, settings_of(deployment.environment).sqlalchemy_url)
    await reign(deployment.environment, tmp_path / "scratch", packages)
    return deployment.environment


def announced(environment: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """What the outbox holds of decisions: topic, and what it is about."""
    rows = ask(environment["DATABASE_URL"], "SELECT topic, body FROM laurel.outbox")
    told = [(topic, json.loads(body)) for topic, body in rows if topic in SAID]
    return Counter(
        (topic, f"{body.get('hold_id') or body['generation']} {body.get('by_generation')}")
        for topic, body in told
    )


async def assert_whole(world: RunPorts, environment: Mapping[str, str]) -> None:
    """No generation is lost or doubled, the alias is at the head, and each is announced once."""
    entries = await world.ledger.entries(world.model_name)
    assert [entry.generation for entry in entries] == list(range(1, len(entries) + 1))
    assert await world.registry.alias_version(world.model_name) == entries[-1].version
    told = announced(environment)
    assert set(told.values()) == {1}, told
    assert sum(topic == "model.promoted" for topic, _ in told) == len(entries)


async def entries_of(world: RunPorts) -> list[LedgerEntry]:
    return list(await world.ledger.entries(world.model_name))


async def test_a_killed_decision_is_finished_by_its_repeat_or_by_the_reconciler(
    environment: dict[str, str], tmp_path: Path, nursery: Nursery
) -> None:
    """Case C01, for what a person orders: `kill -9` at each point of each command."""
    orders, settings = Orders(tmp_path / "chaos"), settings_of(environment)
    async with opened(environment) as world:
        for number, case in enumerate(CASES):
            before, told = await entries_of(world), announced(environment)
            orders.kill_at(case.point)
            key = f"key {number}"
            words = {"command": case.command, "about": case.about, "key": key}
            variables = {**environment, FOLDER_VARIABLE: str(orders.folder)}
            with (tmp_path / "person.log").open("ab") as log:
                child = nursery.fork("tests.chaos.person:run", words, variables, log.fileno())
            assert await child.end() == KILLED, (case, (tmp_path / "person.log").read_text(encoding="utf-8"))

            made = await entries_of(world)
            assert len(made) - len(before) == (case.is_made and case.command in PROMOTING), case
            if case.command not in PROMOTING:
                assert (announced(environment) != told) == case.is_made, case
            if case.by_reconciler:
                await reconciler_in(world, world.projector(), 0).look()
                await assert_whole(world, environment)
            for _ in range(2):
                assert await decide(world, settings, case.command, case.about, key) == ""
                await assert_whole(world, environment)
            after = await entries_of(world)
            assert len(after) - len(before) == (case.command in PROMOTING), case
            assert announced(environment) != told, case
            FIGURES.add("decisions killed and finished", 1)
        assert set(orders.killed()) == {case.point for case in CASES}
        assert [entry.version for entry in after[3:]] == [2, 1, 2, 3, 2, 1]
        assert await world.holds.open() is None


class CutAt(Points):
    """Cuts a service off at a point."""

    def __init__(self, point: Point, proxy: FaultProxy) -> None:
        self._point = point
        self._proxy = proxy

    async def at(self, point: Point) -> None:
        if point is self._point:
            await self._proxy.close_door()


NOBODY: Final = "127.0.0.1:9"
_KAFKA_AWAY: Final = {"KAFKA_BOOTSTRAP_SERVERS": NOBODY}
_MLFLOW_AWAY: Final = {"MLFLOW_TRACKING_URI": f"http://{NOBODY}"}
_STORE_AWAY: Final = {"DATABASE_URL": f"postgresql+psycopg://a:b@{NOBODY}/c"}


class Away(NamedTuple):
    """A command while services are away; `waiting_on` is what it waits for, if it is not done."""

    command: str
    about: int
    without: dict[str, str]
    waiting_on: str = ""


AWAY: Final = (
    Away("hold", 0, _STORE_AWAY, "postgres"),
    Away("hold", 0, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("release", 0, _STORE_AWAY, "postgres"),
    Away("release", 0, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("rollback", 2, _STORE_AWAY, "postgres"),
    Away("rollback", 2, _KAFKA_AWAY, "kafka"),
    Away("lift", 3, _STORE_AWAY, "postgres"),
    Away("lift", 3, _KAFKA_AWAY | _MLFLOW_AWAY),
    Away("promote", 3, _STORE_AWAY, "postgres"),
    Away("promote", 3, _KAFKA_AWAY, "kafka"),
    Away("promote", 3, _MLFLOW_AWAY, "mlflow"),
)


async def test_a_decision_waits_for_what_it_needs_and_for_nothing_else(environment: dict[str, str]) -> None:
    """What is refused has changed nothing, and its repeat under the same key succeeds."""
    async with opened(environment) as world:
        for number, case in enumerate(AWAY):
            before, told = await entries_of(world), announced(environment)
            words = (case.command, case.about, f"key {case.command}")
            without = environment | case.without
            if not case.waiting_on:
                async with opened(without) as cut_off:
                    assert await decide(cut_off, settings_of(without), *words) == "", case
                assert announced(environment) != told
                continue
            with pytest.raises(TryLater) as refused:
                async with opened(without) as cut_off:
                    await decide(cut_off, settings_of(without), *words)
            assert (refused.value.waiting_on, await entries_of(world)) == (case.waiting_on, before), case
            assert announced(environment) == told
            if number + 1 == len(AWAY) or AWAY[number + 1].command != case.command:
                assert await decide(world, settings_of(environment), *words) == "", case
                await assert_whole(world, environment)


async def test_a_service_that_is_lost_at_a_decision_gets_it_when_it_is_back(
    environment: dict[str, str],
) -> None:
    """MLflow, which shows it, and PostgreSQL, which keeps it; Kafka hears it from the outbox."""
    address = urlsplit(environment["MLFLOW_TRACKING_URI"])
    async with (
        opened(environment) as world,
        FaultProxy(address.port or 0, Http(address.netloc)) as mlflow,
        proxied(environment["DATABASE_URL"]) as (postgres, database_url),
    ):
        through = environment | {"MLFLOW_TRACKING_URI": mlflow.url}
        settings = settings_of(environment)
        for number, case in enumerate(CASES[4:10]):
            if case.command not in PROMOTING:
                await decide(world, settings, case.command, case.about, f"mlflow {number}")
                continue
            await _lose(world, through, mlflow, case, f"mlflow {number}")
            await reconciler_in(world, world.projector(), 0).look()
            await assert_whole(world, environment)
        await decide(world, settings, "promote", 1, "again")
        await decide(world, settings, "promote", 2, "and again")
        await decide(world, settings, "promote", 3, "the third")
        through = environment | {"DATABASE_URL": database_url}
        for number, case in enumerate(CASES[:4]):
            await _lose(world, through, postgres, case, f"postgres {number}")
            assert await decide(world, settings, case.command, case.about, f"postgres {number}") == ""
            await assert_whole(world, environment)


async def _lose(world: RunPorts, through: Mapping[str, str], proxy: FaultProxy, case: Case, key: str) -> None:
    """Decide, and lose the service at the case's point; what is promised then stands."""
    before = await entries_of(world)
    unshown = ""
    try:
        async with opened(through) as cut_off:
            ports = replace(cut_off, points=CutAt(case.point, proxy))
            unshown = await decide(ports, settings_of(through), case.command, case.about, key)
    except TryLater as error:
        assert error.waiting_on == "postgres", error  # noqa: PT017 - it may also be done
    else:
        assert unshown or case.command not in PROMOTING
        assert len(await entries_of(world)) - len(before) == (case.command in PROMOTING)
    await proxy.open_door()
