"""Quarantines: begun with a rollback's entry in the ledger, lifted by a person."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    bindparam,
    cast,
    func,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningInsert
from sqlalchemy.sql.selectable import FromClause

from domain.announcement import Announcement
from domain.quarantine import Lift, Quarantine
from service.adapters.postgres.bar_reads import PostgresQuarantineReads, quarantine_of
from service.adapters.postgres.database import Database
from service.adapters.postgres.listener import OUTBOX
from service.adapters.postgres.outbox_rows import announcement_parameters, insert_announcements, turn
from service.adapters.postgres.rows import dump_json
from service.adapters.postgres.tables import quarantines

_TEXTS: Final = ("model_name", "recipe", "content")
_NUMBERS: Final = ("generation", "by_generation")
_FIELDS: Final = (*_TEXTS, *_NUMBERS)
_SHOWN: Final = (quarantines.c.content, quarantines.c.lift)

_lifted: Final = (
    update(quarantines)
    .where(
        quarantines.c.model_name == bindparam("model"),
        quarantines.c.generation == bindparam("which"),
        quarantines.c.lifted_at.is_(None),
        select(turn.c.taken).scalar_subquery(),
    )
    .values(
        lift_id=bindparam("lifted_by", type_=Text),
        lift=bindparam("how", type_=Text),
        lifted_at=bindparam("at", type_=DateTime(timezone=True)),
    )
    .returning(*_SHOWN)
    .cte("lifted")
)
_LIFT: Final = select(_lifted.c.content, _lifted.c.lift, func.pg_notify(OUTBOX, "")).add_cte(
    insert_announcements(_lifted, cast(null(), Text)).cte("announced")
)
_LIFTED_BY: Final = select(*_SHOWN).where(
    quarantines.c.model_name == bindparam("model"), quarantines.c.lift_id == bindparam("lifted_by")
)


class PostgresQuarantines(PostgresQuarantineReads):
    """`domain.ports.bars.Quarantines` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        super().__init__(database, model_name)
        self._database = database
        self._model = model_name

    async def lift(self, generation: int, lift: Lift, announcement: Announcement) -> Quarantine | None:
        """Write the lift down, unless there is one."""
        parameters = {
            "model": self._model,
            "which": generation,
            "lifted_by": lift.lift_id,
            "how": dump_json(lift.model_dump(mode="json")),
            "at": lift.at,
            **announcement_parameters([announcement]),
        }
        row = await self._database.row("lift a quarantine", _LIFT, parameters)
        return quarantine_of(row) if row is not None else await self.lifted_by(lift.lift_id)

    async def lifted_by(self, lift_id: str) -> Quarantine | None:
        """Read the quarantine that has this lift."""
        which = {"model": self._model, "lifted_by": lift_id}
        row = await self._database.row("look for a lift", _LIFTED_BY, which)
        return None if row is None else quarantine_of(row)


def insert_quarantines(source: FromClause) -> ReturningInsert[int]:
    """Insert the quarantines of `quarantine_parameters`, once for each row of `source`; give what is new.

    A generation that is quarantined already stays as it is.
    """
    texts = (bindparam(f"left_{name}", type_=ARRAY(Text)) for name in _TEXTS)
    numbers = (bindparam(f"left_{name}", type_=ARRAY(BigInteger)) for name in _NUMBERS)
    left = func.unnest(*texts, *numbers).table_valued(*_FIELDS, name="rolled_away").render_derived()
    rows = select(*(left.c[name] for name in _FIELDS)).select_from(source.join(left, true()))
    begun = postgresql.insert(quarantines).from_select(list(_FIELDS), rows).on_conflict_do_nothing()
    return begun.returning(quarantines.c.generation)


def place_of(begun: FromClause) -> ColumnElement[int]:
    """Where a row of `insert_quarantines` stood among those that were given, counted from 1."""
    return func.array_position(bindparam("left_generation", type_=ARRAY(BigInteger)), begun.c.generation)


def quarantine_parameters(given: Sequence[Quarantine]) -> dict[str, list[object]]:
    """The arrays that `insert_quarantines` reads."""
    return {f"left_{name}": [_row(one)[name] for one in given] for name in _FIELDS}


def _row(quarantine: Quarantine) -> dict[str, object]:
    return {
        "model_name": quarantine.model_name,
        "generation": quarantine.generation,
        "by_generation": quarantine.by_generation,
        "recipe": None if quarantine.recipe is None else str(quarantine.recipe),
        "content": dump_json(quarantine.model_dump(mode="json", exclude={"lift"})),
    }
