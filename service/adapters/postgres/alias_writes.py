"""Our own writes of the registry's alias, from before they are sent until they were read back."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Interval, bindparam, func, select, update
from sqlalchemy.dialects import postgresql

from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import alias_writes

_open: Final = alias_writes.c.closed_at.is_(None)

_OPEN: Final = postgresql.insert(alias_writes).on_conflict_do_nothing().returning(alias_writes.c.number)
_OPENED: Final = select(alias_writes.c.number).where(alias_writes.c.token == bindparam("token"))
_IS_OPEN: Final = (
    select(alias_writes.c.number)
    .where(
        _open, alias_writes.c.model_name == bindparam("model"), alias_writes.c.version == bindparam("shown")
    )
    .limit(1)
)
_TRAFFIC: Final = select(func.count().label("made"), func.count().filter(_open).label("still_open")).where(
    alias_writes.c.model_name == bindparam("model")
)
_CLOSE: Final = (
    update(alias_writes)
    .where(_open, alias_writes.c.number == bindparam("which"))
    .values(closed_at=func.clock_timestamp())
)
_SETTLED: Final = select(alias_writes.c.number).where(
    _open,
    alias_writes.c.model_name == bindparam("model"),
    alias_writes.c.opened_at <= func.clock_timestamp() - bindparam("age", type_=Interval),
)


class PostgresAliasWrites:
    """`domain.ports.promotion_ledger.AliasWrites`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, model_name: str, version: int, writer: str) -> int:
        """Record a write that is about to be sent."""
        record = {
            "token": str(uuid.uuid4()),  # a second record, left open for ever, would hide a person's doing
            "model_name": model_name,
            "version": version,
            "writer": writer,
        }
        rows = await self._database.rows("record an alias write", _OPEN, record, unless_found=_OPENED)
        return int(rows[0]["number"])

    async def close(self, number: int) -> None:
        """Close the record of a write that was read back."""
        await self._database.rows("close an alias write", _CLOSE, {"which": number})

    async def is_open(self, model_name: str, version: int) -> bool:
        """Look for an open record of a write to this version."""
        shown = {"model": model_name, "shown": version}
        return bool(await self._database.rows("look for alias writes", _IS_OPEN, shown))

    async def traffic(self, model_name: str) -> tuple[int, int]:
        """Count the writes that were recorded, and those that are open, in one look."""
        rows = await self._database.rows("count alias writes", _TRAFFIC, {"model": model_name})
        return int(rows[0]["made"]), int(rows[0]["still_open"])

    async def settled(self, model_name: str, seconds: float) -> Sequence[int]:
        """Look for open records of that many seconds and more, by the database's clock."""
        old = {"model": model_name, "age": timedelta(seconds=seconds)}
        rows = await self._database.rows("look for old alias writes", _SETTLED, old)
        return [int(row["number"]) for row in rows]
