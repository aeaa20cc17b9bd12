"""A person's decisions: in this process, or in one of their own whose points are armed."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from config.settings import Settings
from domain.run_actions import Actor
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.workbench import open_world, promotion_in, rollback_in
from service.promotion.holding import PromotionHolding
from service.promotion.promoting import PromotionOrder
from service.promotion.quarantining import Lifting
from service.promotion.rollback import RollbackOrder
from tests.chaos.points import FOLDER_VARIABLE, ArmedPoints

WHY: Final = "predictions far too high"
ANNA: Final = Actor(name="anna", door="api", proven=True)


async def decide(world: RunPorts, settings: Settings, command: str, about: int, key: str) -> str:
    """Do what a person orders under a key; return why it is not shown yet, if it is not."""
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
            promotion = PromotionOrder(about, WHY, ANNA.told, key)
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
