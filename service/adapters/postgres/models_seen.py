"""Which models somebody works on, and how far a topic's records are, as far as the run store knows."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, select

from domain.ports.run_store import SeenModel
from domain.request import read_coordinates
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import runs

_MOST: Final = 5
# From one model's first run to that of the next, so that their number alone matters.
_SEEN: Final = f"""
    WITH RECURSIVE models AS (
        (SELECT model_name FROM laurel.runs ORDER BY model_name LIMIT 1)
        UNION ALL
        SELECT (
            SELECT model_name FROM laurel.runs WHERE runs.model_name > models.model_name
            ORDER BY model_name LIMIT 1
        ) FROM models WHERE models.model_name IS NOT NULL
    )
    SELECT model_name, greatest(
        (SELECT max(ended_at) FROM laurel.listed_requests AS listed
            WHERE listed.model_name = models.model_name),
        (SELECT max(updated_at) FROM laurel.runs
            WHERE runs.model_name = models.model_name AND NOT ended)
    ) AS last_seen
    FROM models WHERE model_name IS NOT NULL
    ORDER BY last_seen DESC LIMIT {_MOST}
"""  # noqa: S608 - constants of ours


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
