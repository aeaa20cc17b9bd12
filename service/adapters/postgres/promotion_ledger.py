"""The promotion ledger: the insert of a generation is the compare-and-swap of a promotion."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, func, select

from domain.announcement import Announcement
from domain.errors import GenerationTaken, IllegalTransition
from domain.ledger import LedgerEntry
from service.adapters.postgres.database import Database
from service.adapters.postgres.ledger_reads import PostgresLedgerReads, entry_of
from service.adapters.postgres.ledger_rows import entry_parameters, insert_entry
from service.adapters.postgres.listener import OUTBOX
from service.adapters.postgres.outbox_rows import announcement_parameters, insert_announcements, turn
from service.adapters.postgres.tables import outbox, promotion_ledger

_of_model: Final = promotion_ledger.c.model_name == bindparam("model")
_generation: Final = bindparam("generation", type_=BigInteger)


def _announced(generation: ColumnElement[int]) -> Select[int]:
    return select(outbox.c.seq).where(outbox.c.key == bindparam("model"), outbox.c.generation == generation)


_entry: Final = select(promotion_ledger.c.content, promotion_ledger.c.model_digest)
_UNANNOUNCED: Final = (
    _entry.where(_of_model)
    .order_by(promotion_ledger.c.generation)
    .where(~_announced(promotion_ledger.c.generation).exists())
)
_HASH: Final = select(promotion_ledger.c.hash).where(_of_model, promotion_ledger.c.generation == _generation)
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


class PostgresPromotionLedger(PostgresLedgerReads):
    """`domain.ports.promotion_ledger.PromotionLedger`, and its audit."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    async def append(self, entry: LedgerEntry) -> None:
        """Add the next generation.

        Raises NeverRetry `ledger_broken` when the chain is not sound, or the entry does not continue it.
        """
        try:
            await self._database.rows("append to the ledger", _APPEND, entry_parameters(entry))
        except GenerationTaken:
            if await self._hash_at(entry) != entry.hash:
                raise  # else it is this very entry, and the answer to its insert was lost

    async def unannounced(self, model_name: str) -> Sequence[LedgerEntry]:
        """Read the entries that have no row in the outbox."""
        which = {"model": model_name}
        rows = await self._database.rows("look for unannounced generations", _UNANNOUNCED, which)
        return [entry_of(row) for row in rows]

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
            f"generation {entry.generation} of {entry.model_name} follows one that is not announced yet",
            **which,
        )

    async def _hash_at(self, entry: LedgerEntry) -> str | None:
        which = {"model": entry.model_name, "generation": entry.generation}
        row = await self._database.row("read an entry's hash", _HASH, which)
        return None if row is None else row["hash"]
