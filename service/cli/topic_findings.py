"""The doctor's lines about topics: how each is compressed, and whether an open transaction holds it up."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

from domain.errors import LaurelError
from domain.events import ModelPromoted
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.open_transactions import HeldUp, held_up
from service.adapters.kafka.topic_provisioning import codecs_of, deletions_of, missing_topics
from service.cli.findings import Finding

_SECONDS: Final = 10.0
_HELD_UP: Final = (
    "end that transaction: `kafka-transactions.sh find-hanging` names it; the broker ends it by itself after "
    "the producer's transaction.timeout.ms"
)


async def topic_findings(connection: KafkaConnection, topics: Iterable[str]) -> list[Finding]:
    """A line for each topic that is there; none while Kafka does not answer, which another line says."""
    try:
        async with asyncio.timeout(_SECONDS):
            return await _looked_at(connection, topics)
    except (LaurelError, OSError):  # a timeout among them
        return []


async def _looked_at(connection: KafkaConnection, topics: Iterable[str]) -> list[Finding]:
    missing = set(await missing_topics(connection, topics))
    there = [topic for topic in topics if topic not in missing]
    codecs = await codecs_of(connection, there) if there else {}
    held = await held_up(connection, there) if there else []
    lost = await deletions_of(connection, ModelPromoted.topic) if ModelPromoted.topic in there else {}
    return [
        _finding(topic, codec, [one for one in held if one.topic == topic]) for topic, codec in codecs.items()
    ] + [_anchor(lost)] * bool(lost)


def _anchor(lost: Mapping[str, str]) -> Finding:
    """The ledger is checked against these records; without them a restored backup goes unnoticed."""
    said = ", ".join(f"{key} {limit}" for key, limit in lost.items())
    keep = ",".join(f"{key}=-1" for key in lost)
    topic = ModelPromoted.topic
    return Finding(
        f"topic {topic}, kept",
        ok=False,
        found=f"{said}: Kafka deletes announcements that the ledger is checked against",
        fix=f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {keep}",
    )


def _finding(topic: str, codec: str, held: list[HeldUp]) -> Finding:
    how = f"compression.type {codec}{', as each producer does' if codec == 'producer' else ''}"
    places = (f"partition {one.partition} at offset {one.offset} of {one.end}" for one in held)
    stuck = f"; an open transaction holds up {', '.join(places)}" if held else ""
    return Finding(f"topic {topic}", not held, how + stuck, _HELD_UP)
