"""For people: what was set aside, one of them whole, and back with it to where requests are read."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

from aiokafka import ConsumerRecord

from domain.errors import NeverRetry
from domain.request import Coordinates
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letter_format import DeadLetter, read_dead_letter, requeue_headers
from service.adapters.kafka.dead_letters import send_as_it_was
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.foreign import without_marks
from service.adapters.kafka.producers import start_producer, stop_producer
from service.adapters.kafka.reading import read_one, read_to_the_end


async def list_dead_letters(
    connection: KafkaConnection, topic: str, *, from_ms: int | None = None
) -> AsyncGenerator[DeadLetter, None]:
    """All dead letters there are now, oldest first within a partition. Raises TryLater."""
    async for raw in read_to_the_end(connection, [topic], from_ms=from_ms):
        letter = read_dead_letter(raw)
        if letter is not None:
            yield letter


async def show_dead_letter(
    connection: KafkaConnection, topic: str, partition: int, offset: int
) -> DeadLetter:
    """One dead letter by where it stands itself. Raises NeverRetry `unknown_dead_letter`, TryLater."""
    raw = await read_one(connection, topic, partition, offset)
    letter = read_dead_letter(raw) if raw is not None else None
    if letter is None:
        raise NeverRetry(
            "unknown_dead_letter",
            f"no dead letter at {topic}/{partition}/{offset}; `laurel dead-letters list` shows all",
        )
    return letter


async def requeue_dead_letter(connection: KafkaConnection, letter: DeadLetter, topic: str) -> Coordinates:
    """Send the record to the topic of requests, as it was; return where it stands now.

    Whatever topic the letter names: anybody may have written it. Safe to repeat: its identity stays, so two
    of them are one request. Raises NeverRetry `not_requeued` for a letter that does not hold its record.
    """
    if letter.several is not None:
        raise NeverRetry("not_requeued", f"the dead letter at {letter.place} {letter.requeue}")
    if letter.digest_of_all is not None:
        letter = await _whole(connection, letter, topic)
    async with kafka_errors(f"requeueing to {topic}", within=20):
        producer = await start_producer(connection, max_request_size=4 << 20)
        try:
            record = letter.record
            return await send_as_it_was(producer, topic, record.key, record.value, requeue_headers(letter))
        finally:
            await stop_producer(producer)


async def _whole(connection: KafkaConnection, letter: DeadLetter, topic: str) -> DeadLetter:
    """The letter with the record itself, from where it stood first, if it is that one."""
    origin = letter.record.coordinates
    raw = await read_one(connection, topic, origin.partition, origin.offset)
    if raw is None or hashlib.sha256(raw.value or b"").hexdigest() != letter.digest_of_all:
        raise NeverRetry(
            "not_requeued",
            f"the dead letter at {letter.place} keeps only the start of its record, and {topic} no longer "
            f"holds it at partition {origin.partition}, offset {origin.offset}; let its sender send it again",
        )
    return replace(letter, record=letter.record.model_copy(update=_as_it_came(raw)))


def _as_it_came(raw: ConsumerRecord) -> dict[str, Any]:
    return {"key": raw.key, "value": raw.value, "headers": without_marks(raw.headers)}
