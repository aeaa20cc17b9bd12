"""Holds: begun under the ledger's own lock, so that no promotion is committed past one."""

from typing import Final

from sqlalchemy import Boolean, DateTime, Text, bindparam, cast, func, null, or_, select, update
from sqlalchemy.dialects import postgresql

from domain.announcement import Announcement
from domain.hold import HoldEnding, PromotionHold
from service.adapters.postgres.bar_reads import PostgresHoldReads, hold_of
from service.adapters.postgres.database import Database
from service.adapters.postgres.listener import OUTBOX
from service.adapters.postgres.outbox_rows import announcement_parameters, insert_announcements, turn
from service.adapters.postgres.rows import dump_json
from service.adapters.postgres.tables import promotion_holds

_TIME: Final = DateTime(timezone=True)
_SHOWN: Final = (promotion_holds.c.content, promotion_holds.c.ending)

# Exclusive, where the trigger of the ledger shares it: whoever promotes now is waited for, and whoever comes
# later sees the hold.
_LEDGER: Final = func.hashtextextended("laurel/ledger/" + bindparam("model", type_=Text), 0)
_alone: Final = (
    select(func.pg_advisory_xact_lock(_LEDGER).is_not(None).label("taken"))
    .select_from(turn)
    .cte("alone")
    .prefix_with("MATERIALIZED")
)
_COLUMNS: Final = ("hold_id", "model_name", "content", "until", "begun_at")
_ROW: Final = [bindparam(f"hold_{name}", type_=promotion_holds.c[name].type) for name in _COLUMNS]
_begun: Final = (
    postgresql.insert(promotion_holds)
    .from_select(list(_COLUMNS), select(*_ROW).select_from(_alone))
    .on_conflict_do_nothing()
    .returning(*_SHOWN)
    .cte("begun")
)
_BEGIN: Final = select(_begun.c.content, _begun.c.ending, func.pg_notify(OUTBOX, "")).add_cte(
    insert_announcements(_begun, cast(null(), Text)).cte("announced")
)
_BEGUN: Final = select(*_SHOWN).where(promotion_holds.c.hold_id == bindparam("hold_hold_id"))

_ended: Final = (
    update(promotion_holds)
    .where(
        promotion_holds.c.hold_id == bindparam("which"),
        promotion_holds.c.ended_at.is_(None),
        or_(bindparam("by_somebody", type_=Boolean), promotion_holds.c.until <= func.clock_timestamp()),
        select(turn.c.taken).scalar_subquery(),
    )
    .values(
        ended_at=bindparam("at", type_=_TIME),
        ending_id=bindparam("ended_by", type_=Text),
        ending=bindparam("how", type_=Text),
    )
    .returning(*_SHOWN)
    .cte("ended")
)
_END: Final = select(_ended.c.content, _ended.c.ending, func.pg_notify(OUTBOX, "")).add_cte(
    insert_announcements(_ended, cast(null(), Text)).cte("announced")
)
_ENDED_BY: Final = select(*_SHOWN).where(promotion_holds.c.ending_id == bindparam("ended_by"))


class PostgresHolds(PostgresHoldReads):
    """`domain.ports.bars.Holds` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        super().__init__(database, model_name)
        self._database = database

    async def begin(self, hold: PromotionHold, announcement: Announcement) -> PromotionHold | None:
        """Insert a hold, unless one is open, or this one is there."""
        row = {
            "hold_id": hold.hold_id,
            "model_name": hold.model_name,
            "content": dump_json(hold.model_dump(mode="json", exclude={"ending"})),
            "until": hold.until,
            "begun_at": hold.at,
        }
        parameters = {f"hold_{name}": value for name, value in row.items()} | {"model": hold.model_name}
        for statement in (_BEGIN, _BEGUN):
            everything = {**parameters, **announcement_parameters([announcement])}
            if (found := await self._database.row("hold promotions", statement, everything)) is not None:
                return hold_of(found)
        return None

    async def end(
        self, hold: PromotionHold, ending: HoldEnding, announcement: Announcement
    ) -> PromotionHold | None:
        """Write the end down, unless there is one."""
        parameters = {
            "which": hold.hold_id,
            "by_somebody": ending.actor is not None,
            "at": ending.at,
            "ended_by": ending.ending_id,
            "how": dump_json(ending.model_dump(mode="json")),
            **announcement_parameters([announcement]),
        }
        row = await self._database.row("release promotions", _END, parameters)
        return hold_of(row) if row is not None else await self.ended_by(ending.ending_id)

    async def ended_by(self, ending_id: str) -> PromotionHold | None:
        """Read the hold that has this ending."""
        row = await self._database.row("look for a release", _ENDED_BY, {"ended_by": ending_id})
        return None if row is None else hold_of(row)
