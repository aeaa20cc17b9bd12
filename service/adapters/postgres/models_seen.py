"""Which models somebody works on, as far as the run store knows."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import func, select

from domain.ports.run_store import SeenModel
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import runs

_MOST: Final = 5
_SEEN: Final = (
    select(runs.c.model_name, func.max(runs.c.updated_at).label("last_seen"))
    .group_by(runs.c.model_name)
    .order_by(func.max(runs.c.updated_at).desc())
    .limit(_MOST)
)


class PostgresModelsSeen:
    """`domain.ports.run_store.ModelsSeen`: a run is changed by a worker alone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self) -> Sequence[SeenModel]:
        """Read the models of the newest changes."""
        rows = await self._database.rows("look for workers", _SEEN)
        return [SeenModel.model_validate(dict(row)) for row in rows]
