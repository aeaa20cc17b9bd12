"""Which remote is which, and what was pushed."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.base import Executable

from domain.datasets import DatasetHashes
from domain.lifecycle import Step
from service.adapters.postgres.database import Database
from service.adapters.postgres.rows import load_json
from service.adapters.postgres.tables import remotes, run_outputs, runs

_ONE: Final = (
    remotes.c.model_name == bindparam("model"),
    remotes.c.address == bindparam("where_it_is"),
)
_CLAIM: Final = postgresql.insert(remotes).on_conflict_do_nothing().returning(remotes.c.remote_id)
_CLAIMED: Final = select(remotes.c.remote_id).where(*_ONE)
_MARKED: Final = select(remotes.c.remote_id).where(*_ONE, remotes.c.marked_at.is_not(None))
_MARK: Final = (
    update(remotes)
    .where(*_ONE, remotes.c.marked_at.is_(None))
    .values(marked_at=func.clock_timestamp())
    .returning(remotes.c.remote_id)
)
_PUSHED: Final = (
    select(run_outputs.c.output)
    .join(runs, runs.c.run_id == run_outputs.c.run_id)
    .where(runs.c.model_name == bindparam("model"), run_outputs.c.name == Step.VERSION.value)
    .order_by(func.random())
    .limit(bindparam("count"))
)


class PostgresRemotes:
    """`domain.ports.dataset_files.Remotes` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def claim(self, address: str, remote_id: str) -> str:
        """Insert it unless one is there."""
        values = {"model_name": self._model, "address": address, "remote_id": remote_id}
        if await self._database.row("record a remote", _CLAIM, values) is not None:
            return remote_id
        return await self._id(_CLAIMED, address) or remote_id

    async def marked(self, address: str) -> str | None:
        """Read it."""
        return await self._id(_MARKED, address)

    async def mark(self, address: str) -> None:
        """Set the time at which it was first seen."""
        await self._database.row("mark a remote", _MARK, self._which(address))

    async def older_objects(self, count: int) -> Sequence[str]:
        """Of each run the files and the two folders."""
        asked = {"model": self._model, "count": count}
        rows = await self._database.rows("sample what was pushed", _PUSHED, asked)
        found = (DatasetHashes.model_validate(load_json(row["output"])) for row in rows)
        return [*dict.fromkeys(oid for hashes in found for oid in hashes.objects)]

    async def _id(self, statement: Executable, address: str) -> str | None:
        row = await self._database.row("look a remote up", statement, self._which(address))
        return None if row is None else row["remote_id"]

    def _which(self, address: str) -> dict[str, str]:
        return {"model": self._model, "where_it_is": address}
