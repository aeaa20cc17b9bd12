"""The promotion ledger: the insert of a generation is the compare-and-swap of a promotion."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, func, select
from sqlalchemy.sql.base import Executable

from domain.announcement import Announcement
from domain.errors import GenerationTaken, IllegalTransition, Stop
from domain.ledger import LedgerEntry
from service.adapters.postgres.database import Database
from service.adapters.postgres.ledger_rows import entry_of, entry_parameters, insert_entry
from service.adapters.postgres.listener import OUTBOX
from service.adapters.postgres.outbox_rows import announcement_parameters, insert_announcements, turn
from service.adapters.postgres.tables import ledger_identity, outbox, promotion_ledger

_of_model: Final = promotion_ledger.c.model_name == bindparam("model")
_generation: Final = bindparam("generation", type_=BigInteger)


def _announced(generation: ColumnElement[int]) -> Select[Any]:
    return select(outbox.c.seq).where(outbox.c.key == bindparam("model"), outbox.c.generation == generation)


_entry: Final = select(promotion_ledger.c.content, promotion_ledger.c.model_digest)
_IDENTITY: Final = select(ledger_identity.c.id)
_HEAD: Final = _entry.where(_of_model).order_by(promotion_ledger.c.generation.desc()).limit(1)
_ENTRIES: Final = _entry.where(_of_model).order_by(promotion_ledger.c.generation)
_UNANNOUNCED: Final = _ENTRIES.where(~_announced(promotion_ledger.c.generation).exists())
_HASH: Final = select(promotion_ledger.c.hash).where(_of_model, promotion_ledger.c.generation == _generation)
_HIGHEST: Final = select(
    func.greatest(
        select(func.max(promotion_ledger.c.generation)).where(_of_model).scalar_subquery(),
        select(func.max(outbox.c.generation)).where(outbox.c.key == bindparam("model")).scalar_subquery(),
        0,
    ).label("highest")
)
_AUDIT: Final = select(func.laurel.first_broken_generation(bindparam("model", type_=Text)).label("broken"))

_APPEND: Final = insert_entry()
_untold_before: Final = select(promotion_ledger.c.generation).where(
    _of_model,
    promotion_ledger.c.generation < _generation,
    ~_announced(promotion_ledger.c.generation).exists(),
)
_in_its_turn: Final = select(turn.c.taken).where(~_untold_before.exists()).cte("in_its_turn")
_ANNOUNCE: Final = insert_announcements(_in_its_turn, bindparam("run", type_=Text), _generation).returning(
    func.pg_notify(OUTBOX, "")
)


class PostgresPromotionLedger:
    """`domain.ports.promotion_ledger.PromotionLedger`, and its audit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._identity: str | None = None

    async def identity(self) -> str:
        """Read the id that the migration made."""
        if self._identity is None:
            row = await self._database.row("read the ledger's id", _IDENTITY)
            if row is None:
                raise Stop(
                    "schema_unusable",
                    "the database is not as Laurel needs it: the ledger's id is gone; restore a backup",
                )
            self._identity = str(row["id"])
        return self._identity

    async def head(self, model_name: str) -> LedgerEntry | None:
        """Read the newest entry."""
        entries = await self._entries("read the head of the ledger", _HEAD, model_name)
        return entries[0] if entries else None

    async def append(self, entry: LedgerEntry) -> None:
        """Add the next generation.

        Raises NeverRetry `ledger_broken` when the chain is not sound, or the entry does not continue it.
        """
        try:
            await self._database.rows("append to the ledger", _APPEND, entry_parameters(entry))
        except GenerationTaken:
            if await self._hash_at(entry) != entry.hash:
                raise  # else it is this very entry, and the answer to its insert was lost

    async def entries(self, model_name: str) -> Sequence[LedgerEntry]:
        """Read the whole ledger of a model."""
        return await self._entries("read the ledger", _ENTRIES, model_name)

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        """Read the entries that have no row in the outbox."""
        return await self._entries("look for unannounced generations", _UNANNOUNCED, model_name)

    async def announce(self, entry: LedgerEntry, announcement: Announcement) -> None:
        """Put a generation into the outbox, unless it is there.

        Raises IllegalTransition while the generation before it is not announced.
        """
        which = {"model": entry.model_name, "generation": entry.generation}
        parameters = {**which, "run": entry.run_id, **announcement_parameters([announcement])}
        for statement in (_ANNOUNCE, _announced(_generation)):
            if await self._database.rows("announce a generation", statement, parameters):
                return
        raise IllegalTransition(
            "generation_out_of_turn",
            f"generation {entry.generation} of {entry.model_name} comes behind one that is not announced yet",
            **which,
        )

    async def first_broken_generation(self, model_name: str) -> int | None:
        """Audit: verify every hash against its text, every link, and all of it against the outbox.

        The answer is the first generation that is not sound.
        """
        row = await self._database.row("audit the ledger", _AUDIT, {"model": model_name})
        return None if row is None else row["broken"]

    async def highest(self, model_name: str) -> int:
        """Look into the ledger and the outbox."""
        row = await self._database.row("look for the highest generation", _HIGHEST, {"model": model_name})
        return 0 if row is None else int(row["highest"])

    async def _hash_at(self, entry: LedgerEntry) -> str | None:
        which = {"model": entry.model_name, "generation": entry.generation}
        row = await self._database.row("read an entry's hash", _HASH, which)
        return None if row is None else row["hash"]

    async def _entries(self, doing: str, query: Executable, model_name: str) -> Sequence[LedgerEntry]:
        rows = await self._database.rows(doing, query, {"model": model_name})
        return [entry_of(row) for row in rows]
