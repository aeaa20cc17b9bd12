"""Whether ledger, registry and topic agree, for commands whose answer depends on it."""

import asyncio
from collections.abc import Awaitable
from typing import Final

from config.settings import Settings
from domain.counterparts import Comparison
from domain.errors import TryLater
from service.adapters.kafka.announcements import KafkaAnnouncements
from service.app import open_world
from service.cli.console import err, masked, say
from service.counterparts import compared as compared_with_head
from service.recovery import Recovery
from service.settings_values import kafka_connection

_SECONDS: Final = 10.0


async def audited(settings: Settings) -> Comparison:
    """Compare every announcement that the topic holds. Raises TryLater while a side is away."""
    async with asyncio.timeout(_SECONDS), open_world(settings, "laurel") as world:
        survey = await Recovery(world, KafkaAnnouncements(kafka_connection(settings))).survey()
        return survey.comparison


async def compared(settings: Settings) -> Comparison:
    """Compare with the newest announcement alone. Raises TryLater while a side is away."""
    async with asyncio.timeout(_SECONDS), open_world(settings, "laurel") as world:
        return (await compared_with_head(world))[1]


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
