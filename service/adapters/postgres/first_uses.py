"""The digest of whatever was used first under a name."""

from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql

from service.adapters.postgres.database import Database
from service.adapters.postgres.engine import transaction
from service.adapters.postgres.tables import first_uses

_KNOWN: Final = select(first_uses.c.digest).where(
    first_uses.c.model_name == bindparam("model"),
    first_uses.c.kind == bindparam("used_as"),
    first_uses.c.name == bindparam("used_name"),
)
_EVERY: Final = select(first_uses.c.name, first_uses.c.digest).where(
    first_uses.c.model_name == bindparam("model"), first_uses.c.kind == bindparam("used_as")
)
_RECORD: Final = postgresql.insert(first_uses).on_conflict_do_nothing().returning(first_uses.c.digest)


def first_digests(url: str, model_name: str, kind: str) -> dict[str, str]:
    """The digest of each first use of this kind by its name. Raises as the stores do. Blocks."""
    with transaction(url, "look first uses up") as connection:
        rows = connection.execute(_EVERY, {"model": model_name, "used_as": kind}).all()
    return {row.name: row.digest for row in rows}


class PostgresFirstUses:
    """`domain.ports.dataset_files.FirstUses` of one model: another model's `v1` is another file."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def known(self, kind: str, name: str) -> str | None:
        """Read the digest of the first use."""
        which = {"model": self._model, "used_as": kind, "used_name": name}
        row = await self._database.row("look a first use up", _KNOWN, which)
        return None if row is None else row["digest"]

    async def record(self, kind: str, name: str, digest: str, run_id: str) -> str:
        """Record a use unless there was one; return the first one's digest."""
        use = {"model_name": self._model, "kind": kind, "name": name, "digest": digest, "run_id": run_id}
        row = await self._database.row("record a first use", _RECORD, use)
        return digest if row is not None else await self.known(kind, name) or digest
