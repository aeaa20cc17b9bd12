"""A person's decisions: in this process, or in one of their own whose points are armed."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from config.settings import Settings
from domain.ledger import LedgerEntry
from domain.points import Point
from domain.run_actions import Actor
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.workbench import open_world, promotion_in, rollback_in
from service.promotion.holding import PromotionHolding
from service.promotion.promoting import PromotionOrder
from service.promotion.quarantining import Lifting
from service.promotion.rollback import RollbackOrder
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints
from tests.integration.postgres_admin import ask

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

    @property
    def is_last_of_its_command(self) -> bool:
        """True for one of the cases of a command."""
        return self == [case for case in CASES if case.command == self.command][-1]


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
    Case("promote", 0, Point.PROMOTE_BEFORE_REGISTER),  # what a run made, and nobody has registered
)
LOST: Final = CASES[4:10]  # they leave version 3 as champion, four generations later, and no quarantine

WHY: Final = "predictions far too high"
ANNA: Final = Actor(name="anna", door="api", proven=True)


async def decide(world: RunPorts, settings: Settings, command: str, about: int, key: str) -> str:
    """Do what a person orders under a key; return why it is not shown yet, if it is not.

    A promotion is about a version, or (0) the model of the newest run.
    """
    holding = PromotionHolding(world.model_name, world.holds, world.clock, world.points)
    match command:
        case "hold":
            await holding.hold(WHY, None, ANNA, key)
        case "release":
            await holding.release(WHY, ANNA, key)
        case "lift":
            lifting = Lifting(world.model_name, world.quarantines, world.clock, world.points)
            await lifting.lift(about, WHY, ANNA, key)
        case "rollback":
            order = RollbackOrder(about, WHY, ANNA.told, key)
            return (await rollback_in(world, settings).roll_back(order)).unshown
        case _:
            subject = about or (await world.store.recent(world.model_name, 1))[0]
            promotion = PromotionOrder(subject, WHY, ANNA.told, key)
            return (await promotion_in(world, settings).promote(promotion)).unshown
    return ""


async def _decided(command: str, about: int, key: str) -> str:
    settings, points = Settings(_env_file=None), ArmedPoints(Path(os.environ[FOLDER_VARIABLE]))
    async with open_world(settings, "a person") as world:
        return await decide(replace(world, points=points), settings, command, about, key)


def run(*, command: str, about: int, key: str) -> None:
    """Be that process, as a fork of the nursery."""
    if unshown := asyncio.run(_decided(command, about, key)):
        raise SystemExit(unshown)


def announced(environment: Mapping[str, str]) -> Counter[tuple[str, str]]:
    """What the outbox holds of decisions: topic, and what it is about."""
    rows = ask(environment["DATABASE_URL"], "SELECT topic, body FROM laurel.outbox")
    told = [(topic, json.loads(body)) for topic, body in rows if topic in SAID]
    return Counter(
        (topic, f"{body.get('hold_id') or body['generation']} {body.get('by_generation')}")
        for topic, body in told
    )


def quarantined(environment: Mapping[str, str]) -> list[int]:
    """What is quarantined, by a replay of the outbox: each begins once, and ends once."""
    standing: list[int] = []
    for topic, body in ask(environment["DATABASE_URL"], "SELECT topic, body FROM laurel.outbox ORDER BY seq"):
        if topic == "model.quarantined":
            standing.append(json.loads(body)["generation"])
        elif topic == "model.quarantine_lifted":
            standing.remove(json.loads(body)["generation"])
    return sorted(standing)


async def assert_whole(world: RunPorts, environment: Mapping[str, str]) -> None:
    """No generation is lost or doubled, the alias is at the head, and each is announced once."""
    assert quarantined(environment) == sorted(one.generation for one in await world.quarantines.active())
    entries = await world.ledger.entries(world.model_name)
    assert [entry.generation for entry in entries] == list(range(1, len(entries) + 1))
    assert await world.registry.alias_version(world.model_name) == entries[-1].version
    told = announced(environment)
    assert set(told.values()) == {1}, told
    assert sum(topic == "model.promoted" for topic, _ in told) == len(entries)


async def entries_of(world: RunPorts) -> list[LedgerEntry]:
    return list(await world.ledger.entries(world.model_name))
