"""Losses of a champion's version."""

from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql import bindparam

from domain.announcement import Announcement, Loss
from service.adapters.postgres.database import Database
from service.adapters.postgres.outbox_rows import ADD_ALONE, announcement_parameters
from service.adapters.postgres.tables import champion_losses

_table: Final = champion_losses.c
_of_generation: Final = (
    _table.model_name == bindparam("model"),
    _table.generation == bindparam("lost_generation"),
)
_LASTING: Final = select(_table.number, _table.noticed_at).where(*_of_generation, _table.ended_at.is_(None))
# Of two at the same moment one makes the row; nothing is added while one lasts.
_BEGIN: Final = (
    postgresql.insert(champion_losses)
    .from_select(
        ["model_name", "generation", "number"],
        select(
            bindparam("model", type_=_table.model_name.type),
            bindparam("lost_generation", type_=_table.generation.type),
            select(func.coalesce(func.max(_table.number), 0) + 1).where(*_of_generation).scalar_subquery(),
        ).where(~_LASTING.exists()),
    )
    .on_conflict_do_nothing()
)
_END: Final = (
    update(champion_losses)
    .where(*_of_generation, _table.ended_at.is_(None))
    .values(ended_at=func.clock_timestamp())
)


class PostgresChampionLosses:
    """`domain.ports.champion_losses.ChampionLosses`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def noticed(self, model_name: str, generation: int) -> Loss:
        """Make the row unless it is there, and read it; another process may end it in between."""
        which = {"model": model_name, "lost_generation": generation}
        while True:
            await self._database.rows("note a loss", _BEGIN, which)
            row = await self._database.row("read a loss", _LASTING, which)
            if row is not None:
                return Loss(row["number"], row["noticed_at"])

    async def announce(self, announcement: Announcement) -> None:
        """Add it to the outbox."""
        await self._database.rows("announce a loss", ADD_ALONE, announcement_parameters([announcement]))

    async def ended(self, model_name: str, generation: int) -> None:
        """Note that it is over, if there is one."""
        which = {"model": model_name, "lost_generation": generation}
        await self._database.rows("end a loss", _END, which)
