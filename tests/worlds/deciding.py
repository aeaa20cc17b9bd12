"""A person's decisions on any world: the product's own parts, and files that are whole unless said so."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from dataclasses import replace
from typing import Final, TypeVar

import pytest

from domain.errors import NeverRetry
from domain.ledger import LedgerEntry
from domain.models import RegisteredVersion
from domain.points import Point, Points
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.workbench import promotion_in, rollback_in
from service.promotion.promoting import PersonPromotion
from service.promotion.returnable import CheckFiles, Limit
from service.promotion.rollback import Rollback
from tests.kit.builders import MODEL
from tests.kit.settings_of import settings_of
from tests.worlds.stage import Stage

T = TypeVar("T")
T2 = TypeVar("T2")

_SETTINGS: Final = settings_of(
    {
        "DATABASE_URL": "postgresql://nobody:asked@nowhere:1/x",
        "KAFKA_BOOTSTRAP_SERVERS": "nowhere:1",
        "MLFLOW_TRACKING_URI": "http://nowhere:1",
        "CONFIG_ROOT": "/nowhere",
        "DATA_ROOT": "/nowhere",
    }
)


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
    rollback = rollback_in(world, _SETTINGS)
    returnable = replace(
        rollback.returnable,
        check_files=check_files,
        allow_foreign=allow_foreign,
        has_servers=has_servers,
        limit=limit,
    )
    return replace(rollback, returnable=returnable, both=_one_by_one)


async def _one_by_one(first: Awaitable[T], second: Awaitable[T2], /) -> tuple[T, T2]:
    try:
        return await first, await second
    finally:
        if isinstance(second, Coroutine):
            second.close()  # never begun where the first has failed


def promotion_on(
    world: RunPorts, *, check_files: CheckFiles = whole, allow_foreign: bool = False
) -> PersonPromotion:
    """A person's promotion."""
    promotion = promotion_in(world, _SETTINGS)
    return replace(promotion, check_files=check_files, allow_foreign=allow_foreign)


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
