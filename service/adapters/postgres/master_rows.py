"""How many rows the master has: kept as a variable under a name that no caller can use."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import func
from sqlalchemy.dialects import postgresql

from domain.ports.variables import RECORDED_ROWS
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import variables

_INSERT: Final = postgresql.insert(variables)
_RECORD: Final = _INSERT.on_conflict_do_update(
    index_elements=["model_name", "key"],
    set_={
        "value": _INSERT.excluded.value,
        "description": _INSERT.excluded.description,
        "updated_at": func.clock_timestamp(),
    },
    where=variables.c.value != _INSERT.excluded.value,
)


class PostgresMasterRows:
    """`domain.ports.dataset_files.MasterRows` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def record(self, rows: int) -> None:
        """Insert it, or write over another number."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        row = {
            "model_name": self._model,
            "key": RECORDED_ROWS,
            "value": str(rows),
            "description": f"rows of the master, as a worker counted them at {at}; no other value is set",
        }
        await self._database.rows("record the rows of the master", _RECORD, row)
