"""The composition root's lightest part: what a command looks into that only looks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from config.settings import Settings
from domain.ports.clock import Clock
from domain.ports.ledger_reads import LedgerReads
from domain.ports.workers import Workers
from service.adapters.postgres.ledger_reads import PostgresLedgerReads
from service.adapters.postgres.one_session import open_one_session
from service.adapters.postgres.rows import RowSource
from service.adapters.postgres.schema_version import require_current_schema
from service.adapters.postgres.workers import PostgresWorkers


@dataclass(frozen=True)
class StoreLook:
    """What a command looks into, over one session; nothing here can be changed."""

    ledger: LedgerReads
    workers: Workers
    clock: Clock
    rows: RowSource


@asynccontextmanager
async def open_look(settings: Settings) -> AsyncIterator[StoreLook]:
    """Open what commands look into. Raises Stop when the schema is not this version's, or for a pooler."""
    async with open_one_session(settings.sqlalchemy_url, application="laurel-cli") as session:
        await require_current_schema(session)
        yield StoreLook(
            ledger=PostgresLedgerReads(session),
            workers=PostgresWorkers(session),
            clock=session.clock,
            rows=session,
        )
