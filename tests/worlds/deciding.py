"""A person's decisions on any world: the product's own parts, and files that are whole unless said so."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest

from domain.errors import NeverRetry
from domain.ledger import LedgerEntry
from domain.models import RegisteredVersion
from domain.points import Point, Points
from service.lifecycle.run_ports import RunPorts
from service.promotion.promoting import PersonPromotion
from service.promotion.returnable import CheckFiles, Limit, Returnable
from service.promotion.rollback import Rollback
from tests.kit.builders import MODEL
from tests.worlds.stage import Stage


async def whole(_version: RegisteredVersion) -> None:
    """It has its files."""


def rollback_on(
    world: RunPorts,
    *,
    check_files: CheckFiles = whole,
    allow_foreign: bool = False,
    has_servers: bool = False,
    limit: Limit = nullcontext,
) -> Rollback:
    """The way back; MLflow is waited for however long it takes."""
    return Rollback(
        model_name=world.model_name,
        ledger=world.ledger,
        clock=world.clock,
        points=world.points,
        watch=world.watch,
        checks=world.checks,
        returnable=Returnable(
            versions=world.versions,
            ledger=world.ledger,
            quarantines=world.quarantines,
            check_files=check_files,
            allow_foreign=allow_foreign,
            has_servers=has_servers,
            limit=limit,
        ),
        store=world.store,
        show=world.projector().why_not_shown,
    )


def promotion_on(
    world: RunPorts, *, check_files: CheckFiles = whole, allow_foreign: bool = False
) -> PersonPromotion:
    """A person's promotion."""
    return PersonPromotion(
        model_name=world.model_name,
        ledger=world.ledger,
        clock=world.clock,
        points=world.points,
        watch=world.watch,
        checks=world.checks,
        versions=world.versions,
        quarantines=world.quarantines,
        check_files=check_files,
        allow_foreign=allow_foreign,
        show=world.projector().why_not_shown,
    )


async def refused(asked: Awaitable[object]) -> NeverRetry:
    """Why it is not done."""
    with pytest.raises(NeverRetry) as told:
        await asked
    return told.value


async def three(stage: Stage) -> list[LedgerEntry]:
    """Three candidates were promoted, one after another."""
    for rmsle in (0.5, 0.4, 0.3):
        await stage.done(rmsle)
    return list(await stage.ledger.entries(MODEL))


class Meanwhile(Points):
    """Does something once, directly before an entry is appended."""

    def __init__(self, *deeds: Callable[[], Awaitable[object]]) -> None:
        self._deeds = list(deeds)

    async def at(self, point: Point) -> None:
        if point in {Point.ROLLBACK_BEFORE_COMMIT, Point.PROMOTE_BEFORE_COMMIT} and self._deeds:
            await self._deeds.pop()()


def meanwhile(world: RunPorts, deed: Callable[[], Awaitable[object]]) -> RunPorts:
    """The world, in which this comes between the plan and the entry."""
    return replace(world, points=Meanwhile(deed))
