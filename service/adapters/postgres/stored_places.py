"""How far a topic's records are in the run store, by the places that the newest requests came from."""

import re
from typing import Final

from sqlalchemy import bindparam, select

from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import runs

_LOOKED_AT: Final = 1000
_PLACE: Final = re.compile(r"(?P<topic>[\w.-]+)/(?P<partition>\d+)/(?P<offset>\d+)@-?\d+", re.ASCII)
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
        found = _PLACE.fullmatch(row["coordinates"])
        if found and found["topic"] == topic:
            partition = int(found["partition"])
            newest[partition] = max(newest.get(partition, 0), int(found["offset"]))
    return newest
