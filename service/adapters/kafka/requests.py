"""The other side of the wire: asking for a training, and reading what was announced."""

import json
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import ConsumerRecord

from domain.asked_request import request_record
from domain.record import Unreadable
from domain.request import Coordinates
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letters import send_as_it_was
from service.adapters.kafka.errors import kafka_errors
from service.adapters.kafka.fetch_guard import problem_of
from service.adapters.kafka.foreign import as_text, object_in, place_of
from service.adapters.kafka.producers import start_producer, stop_producer
from service.adapters.kafka.reading import read_on, read_to_the_end


@dataclass(frozen=True)
class SentRequest:
    """A request that Kafka has acknowledged; `identity` finds its run."""

    event_id: str
    identity: str
    correlation_id: str
    coordinates: Coordinates

    def facts(self) -> dict[str, str]:
        """What finds it again, as JSON."""
        return {"request_id": self.event_id, "identity": self.identity, "coordinates": str(self.coordinates)}


@dataclass(frozen=True)
class ReadEvent:
    """An event as an ordinary consumer reads it; `data` is None when the body is no JSON object.

    `problem` says why not even its bytes could be read.
    """

    coordinates: Coordinates
    key: str | None
    attributes: Mapping[str, str]
    data: Mapping[str, Any] | None
    problem: Unreadable | None = None


async def publish_request(
    connection: KafkaConnection,
    topic: str,
    payload: Mapping[str, Any],
    *,
    model_name: str,
    source: str,
    event_id: str | None = None,
    correlation_id: str | None = None,
) -> SentRequest:
    """Ask for a training in CloudEvents' binary mode; return once it is acknowledged.

    The same `event_id` again is the same request. Raises TryLater, Stop `kafka_denied`.
    """
    event_id = event_id or str(uuid.uuid4())
    body = json.dumps(payload, ensure_ascii=False, allow_nan=False)
    now = datetime.now(tz=UTC)
    record = request_record(
        event_id, body, model_name=model_name, source=source, at=now, correlation_id=correlation_id
    )
    headers = [(name, text.encode()) for name, text in record.headers.items()]
    async with kafka_errors(f"publishing to {topic}", within=20):
        producer = await start_producer(connection, enable_idempotence=True)
        try:
            place = await send_as_it_was(producer, topic, record.key.encode(), body.encode(), headers)
        finally:
            await stop_producer(producer)
    return SentRequest(event_id, f"event:{source} {event_id}", correlation_id or event_id, place)


async def read_events(
    connection: KafkaConnection, topics: Iterable[str], *, from_ms: int | None = None, follow: bool = False
) -> AsyncGenerator[ReadEvent, None]:
    """Read event topics from the beginning or from a time, to the present end or (`follow`) without end.

    In order within a partition; sort by `coordinates.timestamp_ms` for one order over topics.
    """
    read = read_on if follow else read_to_the_end
    async with aclosing(read(connection, topics, from_ms=from_ms)) as records:
        async for raw in records:
            yield event_of(raw)


def event_of(raw: ConsumerRecord) -> ReadEvent:
    """Read a record as an event, from any producer."""
    return ReadEvent(
        coordinates=place_of(raw),
        key=None if raw.key is None else as_text(raw.key),
        attributes={name[3:]: as_text(value) for name, value in raw.headers if name.startswith("ce_")},
        data=object_in(raw.value),
        problem=problem_of(raw.headers),
    )
