"""Which models somebody works on, and how far a topic's records are, as far as the run store knows."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select

from domain.ports.run_store import SeenModel
from domain.request import read_coordinates
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


_LOOKED_AT: Final = 1000
_NEWEST: Final = (
    select(runs.c.coordinates)
    .where(runs.c.model_name == bindparam("model"), runs.c.coordinates.is_not(None))
    .order_by(runs.c.number.desc())
    .limit(_LOOKED_AT)
)


async def newest_stored(database: Database, model_name: str, topic: str) -> dict[int, int]:
    """The highest stored offset of each partition that the newest requests came from."""
    rows = await database.rows("look for the newest stored requests", _NEWEST, {"model": model_name})
    newest: dict[int, int] = {}
    for row in rows:
        place = read_coordinates(row["coordinates"])
        if place is not None and place.topic == topic:
            newest[place.partition] = max(newest.get(place.partition, 0), place.offset)
    return newest
