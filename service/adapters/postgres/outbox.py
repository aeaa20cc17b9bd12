"""The outbox: what was announced in the transaction that made it true, and has yet to reach Kafka."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ARRAY, BigInteger, Float, RowMapping, bindparam, cast, func, select, update
from sqlalchemy.sql.base import Executable

from domain.announcement import Announcement
from domain.ports.messages import OutboxRow
from service.adapters.postgres.database import Database
from service.adapters.postgres.outbox_rows import (
    ADD_ALONE,
    announcement_parameters,
    outbox_row,
    refuse_promotions,
)
from service.adapters.postgres.session_lock import SessionLock
from service.adapters.postgres.tables import outbox
from service.adapters.postgres.told_events import PostgresToldEvents

_ours_and_unsent: Final = (outbox.c.key == bindparam("model"), outbox.c.sent_at.is_(None))

_UNSENT: Final = select(outbox).where(*_ours_and_unsent).order_by(outbox.c.seq).limit(bindparam("at_most"))
_MARK_SENT: Final = (
    update(outbox)
    .where(outbox.c.seq == func.any(bindparam("seqs", type_=ARRAY(BigInteger))), outbox.c.sent_at.is_(None))
    .values(sent_at=func.clock_timestamp())
)
_AGE: Final = select(
    cast(func.extract("epoch", func.clock_timestamp() - func.min(outbox.c.created_at)), Float).label(
        "seconds"
    )
).where(*_ours_and_unsent)


class PostgresOutbox(PostgresToldEvents):
    """`domain.ports.messages.Outbox` of one model.

    The server takes the relay's lock from a process that was silent for `relay_idle_seconds`: it hangs. So
    the relay calls `try_to_be_the_relay` again and again, at least three times in that span.
    """

    def __init__(self, database: Database, model_name: str, *, relay_idle_seconds: float = 15.0) -> None:
        super().__init__(database, model_name)
        self._database = database
        self._model = model_name
        self._seen_rings = -1  # of the bell for the outbox, at the newest look or waking
        self._relay = SessionLock(database, {"idle_session_timeout": str(round(relay_idle_seconds * 1000))})

    async def unsent(self, limit: int) -> Sequence[OutboxRow]:
        """Read the oldest rows that are not marked sent."""
        self._seen_rings = self._database.outbox.rings
        rows = await self._rows("read the outbox", _UNSENT, at_most=limit)
        return [outbox_row(row) for row in rows]

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Mark rows as acknowledged by Kafka; a mark that stands keeps its time."""
        await self._rows("mark rows as sent", _MARK_SENT, seqs=list(seqs))

    async def try_to_be_the_relay(self) -> bool:
        """Take the model's relay lock, or ask whether it is still held; False once when it was lost."""
        if self._relay.taken:
            return await self._relay.still_held()
        return await self._relay.take(f"laurel/relay/{self._model}")

    async def close(self) -> None:
        """Let another process be the relay at once."""
        await self._relay.give_back()

    async def wait_for_rows(self, timeout_seconds: float) -> None:
        """Return when a row was committed since the newest look, or when the time is over."""
        await self._database.outbox.beyond(self._seen_rings, timeout_seconds)
        self._seen_rings = self._database.outbox.rings

    async def add(self, announcement: Announcement) -> None:
        """Add one that belongs to no run's transition."""
        refuse_promotions([announcement])
        await self._rows("add to the outbox", ADD_ALONE, **announcement_parameters([announcement]))

    async def oldest_age_seconds(self) -> float:
        """How long the oldest unsent row has waited, by the database's clock."""
        rows = await self._rows("look at the outbox", _AGE)
        return float(rows[0]["seconds"] or 0.0)

    async def _rows(self, doing: str, statement: Executable, **parameters: object) -> Sequence[RowMapping]:
        return await self._database.rows(doing, statement, {"model": self._model, **parameters})
