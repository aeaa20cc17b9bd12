"""Holds and quarantines as they are read, in plain SQL."""

from collections.abc import Sequence
from typing import Final

from domain.hold import HoldEnding, PromotionHold
from domain.quarantine import Lift, Quarantine
from service.adapters.postgres.rows import Row, RowSource

_HOLDS: Final = "SELECT content, ending FROM laurel.promotion_holds WHERE model_name = %(model)s::text"
_OPEN: Final = f"{_HOLDS} AND ended_at IS NULL"
_ACTIVE: Final = f"{_OPEN} AND coalesce(until > clock_timestamp(), true)"
_NEWEST: Final = f"{_HOLDS} ORDER BY begun_at DESC LIMIT %(at_most)s::int"

_QUARANTINES: Final = "SELECT content, lift FROM laurel.quarantines WHERE model_name = %(model)s::text"
_NEWEST_FIRST: Final = "ORDER BY by_generation DESC, generation DESC"
_QUARANTINED: Final = f"{_QUARANTINES} AND lifted_at IS NULL {_NEWEST_FIRST}"
_ALL: Final = f"{_QUARANTINES} {_NEWEST_FIRST} LIMIT %(at_most)s::int"


class PostgresHoldReads:
    """`domain.ports.bars.HoldReads` of one model."""

    def __init__(self, database: RowSource, model_name: str) -> None:
        self._asked = database
        self._held = {"model": model_name}

    async def active(self) -> PromotionHold | None:
        """Read the hold whose time has not come."""
        row = await self._asked.row("read the hold", _ACTIVE, self._held)
        return None if row is None else hold_of(row)

    async def open(self) -> PromotionHold | None:
        """Read the hold that has no end."""
        row = await self._asked.row("read the hold", _OPEN, self._held)
        return None if row is None else hold_of(row)

    async def newest(self, limit: int) -> Sequence[PromotionHold]:
        """Read the last holds."""
        rows = await self._asked.rows("read holds", _NEWEST, {**self._held, "at_most": limit})
        return [hold_of(row) for row in rows]


class PostgresQuarantineReads:
    """`domain.ports.bars.QuarantineReads` of one model."""

    def __init__(self, database: RowSource, model_name: str) -> None:
        self._asked = database
        self._quarantined = {"model": model_name}

    async def active(self) -> Sequence[Quarantine]:
        """Read those that nobody has lifted."""
        rows = await self._asked.rows("read quarantines", _QUARANTINED, self._quarantined)
        return [quarantine_of(row) for row in rows]

    async def all(self, limit: int) -> Sequence[Quarantine]:
        """Read the last ones."""
        wanted = {**self._quarantined, "at_most": limit}
        return [quarantine_of(row) for row in await self._asked.rows("read quarantines", _ALL, wanted)]


def hold_of(row: Row) -> PromotionHold:
    """Read a hold back, with its end."""
    hold = PromotionHold.model_validate_json(row["content"])
    ending = None if row["ending"] is None else HoldEnding.model_validate_json(row["ending"])
    return hold.model_copy(update={"ending": ending})


def quarantine_of(row: Row) -> Quarantine:
    """Read a quarantine back, with its lift."""
    quarantine = Quarantine.model_validate_json(row["content"])
    lift = None if row["lift"] is None else Lift.model_validate_json(row["lift"])
    return quarantine.model_copy(update={"lift": lift})
