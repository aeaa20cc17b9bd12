"""The bench's end of the wire: publishes requests, and reads what became of them as any consumer would."""

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from domain.events import REQUEST_TOPIC, REQUEST_TYPE

_ENDS: Final = ("model.promoted", "model.declined", "training.rejected", "training.failed")
_POLL_MS: Final = 100
_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Heard:
    """One request and the event that ended it, in nanoseconds of the monotonic clock."""

    sent: int
    acknowledged: int
    heard: int
    topic: str
    data: dict[str, Any]

    @property
    def seconds(self) -> float:
        """From the moment of sending to the moment of reading."""
        return (self.heard - self.sent) / 1e9


class Wire:
    """One producer and one consumer, warm."""

    def __init__(self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self._producer = producer
        self._consumer = consumer

    async def publish(self, model_name: str, model_version: int) -> tuple[int, int, str]:
        """Ask for a training; return when it was sent, when it was acknowledged, and its correlation id."""
        event_id = str(uuid.uuid4())
        attributes = {
            "specversion": "1.0",
            "id": event_id,
            "source": "/laurel/bench",
            "type": REQUEST_TYPE,
            "correlationid": event_id,
        }
        headers = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
        body = json.dumps({"model_name": model_name, "model_version": model_version}).encode()
        sent = time.monotonic_ns()
        await self._producer.send_and_wait(REQUEST_TOPIC, body, key=model_name.encode(), headers=headers)
        return sent, time.monotonic_ns(), event_id

    async def ask(self, model_name: str, model_version: int) -> Heard:
        """Ask for a training, and wait until it ends."""
        sent, acknowledged, correlation = await self.publish(model_name, model_version)
        record = await self.end_of(correlation)
        return Heard(sent, acknowledged, time.monotonic_ns(), record.topic, json.loads(record.value))

    async def end_of(self, correlation: str) -> ConsumerRecord:
        """Wait for the event that ends what has this correlation."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            for records in (await self._consumer.getmany(timeout_ms=_POLL_MS)).values():
                for record in records:
                    if ("ce_correlationid", correlation.encode()) in record.headers:
                        return record
        raise SystemExit(f"no end of a request within {_SECONDS:.0f} s; see the worker's log")


@asynccontextmanager
async def open_wire(bootstrap_servers: str) -> AsyncIterator[Wire]:
    """Connect, and stand at the end of every topic that ends a request."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, enable_idempotence=True)
    consumer = AIOKafkaConsumer(*_ENDS, bootstrap_servers=bootstrap_servers, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    try:
        await consumer.seek_to_end()
        for place in consumer.assignment():
            await consumer.position(place)
        await producer.partitions_for(REQUEST_TOPIC)
        yield Wire(producer, consumer)
    finally:
        await consumer.stop()
        await producer.stop()
