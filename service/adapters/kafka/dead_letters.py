"""The dead-letter desk: a raw producer, because FastStream publishes neither null nor bytes in headers."""

import asyncio
import hashlib
from typing import Any, Final, get_args

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.record import Record, Unreadable, UnreadableReason
from domain.request import Coordinates
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letter_format import dead_letter_headers
from service.adapters.kafka.errors import TOO_LARGE, sort
from service.adapters.kafka.producers import start_producer, stop_producer
from service.metrics import Metrics

_SECONDS: Final = 5.0
_LARGEST: Final = 4 << 20
_KEPT_WHEN_CUT: Final = 1 << 14
_UNAVAILABLE: Final = "dead_letters_unavailable"

log = structlog.get_logger("laurel.dead_letters")


class KafkaDeadLetters:
    """Port `DeadLetters` on a topic; its producer is not idempotent, so it gives up what took too long."""

    def __init__(self, connection: KafkaConnection, topic: str, *, metrics: Metrics) -> None:
        self._connection = connection
        self._topic = topic
        self._metrics = metrics
        for reason in get_args(UnreadableReason):
            metrics.count("laurel_dead_letters_total", 0, reason=reason)  # an alert sees the first one grow
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def add(self, record: Record, why: Unreadable) -> None:
        """Return once the dead letter is acknowledged by all in-sync replicas."""
        try:
            producer = await self._started()
            async with asyncio.timeout(_SECONDS):
                await self._send(producer, record, why)
        except (KafkaError, TimeoutError, OSError) as error:
            raise sort(error, f"setting a record aside in {self._topic}", _UNAVAILABLE) from error
        self._metrics.count("laurel_dead_letters_total", reason=why.reason)

    async def _send(self, producer: AIOKafkaProducer, record: Record, why: Unreadable) -> None:
        if why.reason == "too_large" and len(record.value or b"") > _KEPT_WHEN_CUT:
            record, why = _cut(record, why)
        headers = dead_letter_headers(record, why)
        try:
            await send_as_it_was(producer, self._topic, record.key, record.value, headers)
        except TOO_LARGE:
            cut, note = _cut(record, why)
            await send_as_it_was(producer, self._topic, None, cut.value, dead_letter_headers(cut, note))

    async def stop(self) -> None:
        """End the producer."""
        if self._producer is not None:
            await stop_producer(self._producer)
            self._producer = None

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                limits = {"max_request_size": _LARGEST, "request_timeout_ms": int(_SECONDS * 1000)}
                self._producer = await start_producer(self._connection, **limits)
            return self._producer


async def send_as_it_was(
    producer: AIOKafkaProducer, topic: str, key: bytes | None, value: bytes | None, headers: Any
) -> Coordinates:
    """Send one record byte by byte, null key and value included, and return where it stands.

    A batch of one is the way to do it: `send` refuses a record with neither key nor value.
    """
    partitions = sorted(await producer.partitions_for(topic))
    partition = partitions[int.from_bytes(hashlib.sha256(key or b"").digest()[:4]) % len(partitions)]
    batch = producer.create_batch()
    batch.append(timestamp=None, key=key, value=value, headers=headers)
    batch.close()
    sent = await (await producer.send_batch(batch, topic, partition=partition))
    return Coordinates(topic=topic, partition=partition, offset=sent.offset, timestamp_ms=sent.timestamp)


def _cut(record: Record, why: Unreadable) -> tuple[Record, Unreadable]:
    """What fits into any topic: the start of the value, its length and its digest."""
    value = record.value or b""
    kept, digest = value[:_KEPT_WHEN_CUT], hashlib.sha256(value).hexdigest()
    note = f"{why.detail}; kept {len(kept)} of {len(value)} bytes without headers, sha256 of all {digest}"
    return (
        record.model_copy(update={"value": kept, "key": None, "headers": ()}),
        why.model_copy(update={"detail": note}),
    )
