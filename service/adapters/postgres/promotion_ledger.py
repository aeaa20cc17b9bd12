"""The promotion ledger: the insert of a generation is the compare-and-swap of a promotion."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Select, Text, bindparam, cast, func, null, select
from sqlalchemy.sql.base import Executable

from domain.announcement import Announcement, reported_generation
from domain.errors import GenerationTaken, IllegalTransition
from domain.events import InferenceDiverged, InferenceReloaded
from domain.ledger import LedgerEntry
from domain.quarantine import Quarantine
from service.adapters.postgres.database import Database
from service.adapters.postgres.ledger_reads import PostgresLedgerReads, entry_of
from service.adapters.postgres.ledger_rows import entry_parameters, insert_entry
from service.adapters.postgres.listener import LEDGER, OUTBOX
from service.adapters.postgres.outbox_rows import (
    announcement_parameters,
    insert_announcements,
    refuse_promotions,
    turn,
)
from service.adapters.postgres.quarantines import insert_quarantines, place_of, quarantine_parameters
from service.adapters.postgres.tables import outbox, promotion_ledger
from service.adapters.postgres.told_events import FIELDS, announcement_of

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
_RINGS: Final = func.pg_notify(LEDGER, "")
_APPEND: Final[Executable] = insert_entry().returning(_RINGS)
_entered: Final = insert_entry(turn).returning(promotion_ledger.c.generation).cte("entered")
_quarantined: Final = insert_quarantines(_entered).cte("quarantined")
_APPEND_AND_QUARANTINE: Final = select(_entered.c.generation, _RINGS, func.pg_notify(OUTBOX, "")).add_cte(
    insert_announcements(_quarantined, cast(null(), Text), place=place_of(_quarantined)).cte("announced")
)
_LONGEST_WAIT: Final = 3600.0
# A replica may be faster than the announcement of the generation; it seldom speaks long after that.
_REPLICA_REPORTS: Final = f"""
    SELECT {", ".join(FIELDS)}
    FROM (
        SELECT * FROM laurel.outbox
        WHERE seq > (
            SELECT seq - 1000 FROM laurel.outbox
            WHERE key = %(model)s::text AND generation = %(generation)s::bigint
        )
        ORDER BY seq LIMIT 20000
    ) AS about_then
    WHERE key = %(model)s::text AND topic = ANY (%(topics)s::text[])
    ORDER BY seq
"""  # noqa: S608 - constants of ours
_REPLICA_TOPICS: Final = [InferenceReloaded.topic, InferenceDiverged.topic]
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
        self._seen_rings = database.ledger.rings  # of the bell for entries, at the newest waking

    async def append(
        self,
        entry: LedgerEntry,
        *,
        quarantines: Sequence[Quarantine] = (),
        announcements: Sequence[Announcement] = (),
    ) -> None:
        """Add the next generation, and what it quarantines, in one statement. What stands is not told again.

        Raises NeverRetry `ledger_broken` when the chain is not sound, or the entry does not continue it.
        """
        refuse_promotions(announcements)
        statement, parameters = _APPEND, entry_parameters(entry)
        if quarantines:
            statement = _APPEND_AND_QUARANTINE
            parameters |= quarantine_parameters(quarantines)
            parameters |= announcement_parameters(announcements)
        try:
            await self._database.rows("append to the ledger", statement, parameters)
        except GenerationTaken:
            if await self._hash_at(entry) != entry.hash:
                raise  # else it is this very entry, and the answer to its insert was lost

    async def wait_for_entry(self) -> None:
        """Return when an entry was appended since the newest waking, or after an hour."""
        await self._database.ledger.beyond(self._seen_rings, _LONGEST_WAIT)
        self._seen_rings = self._database.ledger.rings

    async def replica_reports(self, model_name: str, generation: int) -> Sequence[Announcement]:
        """Read what stands in the outbox near the generation's own announcement."""
        which = {"model": model_name, "generation": generation, "topics": _REPLICA_TOPICS}
        rows = await self._database.rows("read what replicas served", _REPLICA_REPORTS, which)
        return [told for told in map(announcement_of, rows) if reported_generation(told) == generation]

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
