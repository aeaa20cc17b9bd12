"""The promotion ledger as it is read, in plain SQL."""

from collections.abc import Sequence
from typing import Final

from domain.errors import Stop
from domain.ledger import RECENT, Cause, LedgerEntry
from service.adapters.postgres.rows import Row, RowSource

_IDENTITY: Final = "SELECT id FROM laurel.ledger_identity"
_ENTRIES: Final = """
    SELECT content, model_digest
    FROM laurel.promotion_ledger
    WHERE model_name = %(model)s::text
    ORDER BY generation
"""
_HEAD: Final = f"{_ENTRIES} DESC LIMIT 1"
_LAST: Final = f"{_ENTRIES} DESC LIMIT %(at_most)s::integer"
_ENTRY: Final = """
    SELECT content, model_digest
    FROM laurel.promotion_ledger
    WHERE model_name = %(model)s::text AND generation = %(generation)s::bigint
"""
_OF_VERSION: Final = """
    SELECT content, model_digest
    FROM laurel.promotion_ledger
    WHERE model_name = %(model)s::text AND version = %(version)s::bigint
    ORDER BY generation DESC LIMIT 1
"""
_HIGHEST: Final = """
    SELECT greatest(
        (SELECT max(generation) FROM laurel.promotion_ledger WHERE model_name = %(model)s::text),
        (SELECT max(generation) FROM laurel.outbox WHERE key = %(model)s::text),
        0
    ) AS highest
"""
_ROLLBACKS: Final = """
    SELECT count(*) AS rollbacks
    FROM laurel.promotion_ledger
    WHERE model_name = %(model)s::text AND cause = %(cause)s::text
"""
_AUDIT: Final = "SELECT laurel.first_broken_generation(%(model)s::text) AS broken"
_AUDIT_RECENT: Final = """
    SELECT laurel.first_broken_generation(
        %(model)s::text, laurel.recent_generation(%(model)s::text)) AS broken
"""


class PostgresLedgerReads:
    """`domain.ports.promotion_ledger.LedgerReads`, and its audit."""

    def __init__(self, database: RowSource) -> None:
        self._asked = database
        self._identity: str | None = None

    async def identity(self) -> str:
        """Read the id that the migration made."""
        if self._identity is None:
            row = await self._asked.row("read the ledger's id", _IDENTITY)
            if row is None:
                raise Stop(
                    "schema_unusable",
                    "the database does not match Laurel's schema: the ledger's id is gone; restore a backup",
                )
            self._identity = str(row["id"])
        return self._identity

    async def head(self, model_name: str) -> LedgerEntry | None:
        """Read the newest entry."""
        row = await self._asked.row("read the head of the ledger", _HEAD, {"model": model_name})
        return None if row is None else entry_of(row)

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        """Read the whole ledger of a model."""
        rows = await self._asked.rows("read the ledger", _ENTRIES, {"model": model_name})
        return [entry_of(row) for row in rows]

    async def last(self, model_name: str, count: int = RECENT) -> Sequence[LedgerEntry]:
        """Read from the head backwards."""
        rows = await self._asked.rows("read the ledger's end", _LAST, {"model": model_name, "at_most": count})
        return [entry_of(row) for row in reversed(rows)]

    async def entry(self, model_name: str, generation: int) -> LedgerEntry | None:
        """Read one entry."""
        which = {"model": model_name, "generation": generation}
        row = await self._asked.row("read a generation", _ENTRY, which)
        return None if row is None else entry_of(row)

    async def of_version(self, model_name: str, version: int) -> LedgerEntry | None:
        """Look for a version."""
        which = {"model": model_name, "version": version}
        row = await self._asked.row("look for a version", _OF_VERSION, which)
        return None if row is None else entry_of(row)

    async def first_broken_generation(self, model_name: str, *, recent: bool = False) -> int | None:
        """Audit: verify every hash against its text, every link, and all of it against the outbox.

        The answer is the first generation that is not sound.
        """
        statement = _AUDIT_RECENT if recent else _AUDIT
        row = await self._asked.row("audit the ledger", statement, {"model": model_name})
        return None if row is None else row["broken"]

    async def highest(self, model_name: str) -> int:
        """Look into the ledger and the outbox."""
        row = await self._asked.row("look for the highest generation", _HIGHEST, {"model": model_name})
        return 0 if row is None else int(row["highest"])

    async def rollbacks(self, model_name: str) -> int:
        """Count them."""
        which = {"model": model_name, "cause": Cause.ROLLBACK.value}
        row = await self._asked.row("count the rollbacks", _ROLLBACKS, which)
        return 0 if row is None else int(row["rollbacks"])


def entry_of(row: Row) -> LedgerEntry:
    """Read an entry back from its sealed text, and what stands beside it."""
    entry = LedgerEntry.model_validate_json(row["content"])
    return entry.model_copy(update={"model_digest": row["model_digest"]})
