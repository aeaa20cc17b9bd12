"""How far a topic's records are in the run store, by the places that the newest requests came from."""

from typing import Final

from sqlalchemy import bindparam, select

from domain.request import read_coordinates
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import runs

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
