"""Whether ledger, registry and topic agree, for commands whose answer depends on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from config.settings import Settings
from domain.counterparts import Comparison
from domain.errors import TryLater
from domain.ports.inference_servers import InferenceServers
from domain.ports.ledger_reads import LedgerReads
from domain.ports.model_registry import ModelRegistry
from service.adapters.kafka.announcements import KafkaAnnouncements
from service.adapters.postgres.rows import RowSource
from service.cli.console import err, masked, say
from service.lifecycle.looking import open_look
from service.lifecycle.registry import open_registry
from service.lifecycle.settings_values import kafka_connection
from service.promotion.anchor import Anchor
from service.promotion.comparing import compared as compared_with_head
from service.promotion.survey import Survey, survey

if TYPE_CHECKING:
    from domain.ports.run_store import RunReads

_SECONDS: Final = 10.0


@dataclass(frozen=True)
class _Sides:
    """`service.promotion.comparing.Sides`, and the topic itself."""

    model_name: str
    ledger: LedgerReads
    registry: ModelRegistry
    anchor: Anchor
    announcements: KafkaAnnouncements
    rows: RowSource

    @property
    def store(self) -> RunReads:
        """Few comparisons ask for a run."""
        from service.adapters.postgres.run_reads import PostgresRunReads

        return PostgresRunReads(self.rows)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[_Sides]:
    announcements = KafkaAnnouncements(kafka_connection(settings))
    async with open_look(settings) as look, open_registry(settings) as registry:
        yield _Sides(
            model_name=settings.mlflow_model_name,
            ledger=look.ledger,
            registry=registry,
            anchor=Anchor(announcements, settings.mlflow_model_name),
            announcements=announcements,
            rows=look.rows,
        )


async def surveyed(settings: Settings, servers: InferenceServers | None = None) -> Survey:
    """Ask every side, and the inference servers too. Raises TryLater while one is away."""
    async with _opened(settings) as sides:
        return await survey(sides, sides.announcements, servers)


async def audited(settings: Settings) -> Comparison:
    """Compare every announcement that the topic holds. Raises TryLater while a side is away."""
    async with asyncio.timeout(_SECONDS):
        return (await surveyed(settings)).comparison


async def compared(settings: Settings) -> Comparison:
    """Compare with the newest announcement alone. Raises TryLater while a side is away."""
    async with asyncio.timeout(_SECONDS), _opened(settings) as sides:
        return (await compared_with_head(sides))[1]


async def if_possible(comparing: Awaitable[Comparison], settings: Settings) -> Comparison | None:
    """Compare, or say why not: the command has an answer without it."""
    try:
        return await comparing
    except (TryLater, TimeoutError) as error:
        why = error.message if isinstance(error, TryLater) else f"no answer within {_SECONDS:g} s"
        say(f"the ledger was not compared with registry and topic: {masked(why, settings)}", on=err)
        return None


def agreement_facts(found: Comparison | None) -> dict[str, object] | None:
    """The comparison as JSON; None: it was not possible."""
    if found is None:
        return None
    return {
        "state": found.agreement.value,
        "fits": found.fits,
        "message": found.message,
        "ledger": found.ledger,
        "seen": found.seen,
    }
