"""Heartbeats: a row for each living process."""

from typing import Final

from sqlalchemy import (
    Boolean,
    Integer,
    Interval,
    Text,
    and_,
    bindparam,
    delete,
    func,
    or_,
)
from sqlalchemy.dialects import postgresql

from domain.ports.workers import Process
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import heartbeats
from service.adapters.postgres.workers import KEPT

_NOW: Final = func.clock_timestamp()

_earlier_life: Final = and_(
    bindparam("begins", type_=Boolean),
    heartbeats.c.role == bindparam("role", type_=Text),
    heartbeats.c.name == bindparam("name", type_=Text),
)
_gone: Final = (
    delete(heartbeats)
    .where(
        heartbeats.c.process_id != bindparam("process_id", type_=Text),
        or_(heartbeats.c.beat_at < _NOW - bindparam("kept", type_=Interval), _earlier_life),
    )
    .cte("gone")
)
_own: Final = {
    name: bindparam(name, type_=Integer if name == "pid" else Text) for name in Process.model_fields
}
BEAT: Final = (
    postgresql.insert(heartbeats)
    .values(**_own)
    .on_conflict_do_update(index_elements=["process_id"], set_={"beat_at": _NOW})
    .add_cte(_gone)
)
LEAVE: Final = delete(heartbeats).where(heartbeats.c.process_id == bindparam("process_id"))


class PostgresHeartbeats:
    """`domain.ports.workers.Heartbeats`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def beat(self, process: Process, *, begins: bool) -> None:
        """Insert the row or set its time; delete those of the gone."""
        values = {**process.model_dump(), "kept": KEPT, "begins": begins}
        await self._database.rows("write a heartbeat", BEAT, values)

    async def leave(self, process: Process) -> None:
        """Delete the row."""
        await self._database.rows("take leave", LEAVE, {"process_id": process.process_id})
