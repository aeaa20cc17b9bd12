"""Dead letters: records set aside, shown to people, and sent back to where requests are read.

They are written by a raw producer, because FastStream publishes neither null nor bytes in headers.
"""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError

from domain.errors import NeverRetry
from domain.ports.messages import Letter
from domain.record import UnreadableReason
from domain.request import Coordinates
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.dead_letter_format import (
    DeadLetter,
    dead_letter_headers,
    read_dead_letter,
    requeue_headers,
)
from service.adapters.kafka.errors import TOO_LARGE, kafka_errors, sort
from service.adapters.kafka.foreign import without_marks
from service.adapters.kafka.producers import start_producer, stop_producer
from service.adapters.kafka.reading import read_one, read_to_the_end
from service.runtime.lazy_log import LaterLog
from service.runtime.metrics import Metrics

_SECONDS: Final = 5.0
_LARGEST: Final = 4 << 20
_PACKED: Final = 1 << 18  # bytes of letters in one batch
_KEPT_WHEN_CUT: Final = 1 << 14
_UNAVAILABLE: Final = "dead_letters_unavailable"

log = LaterLog("laurel.dead_letters")


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

    async def add(self, letters: Sequence[Letter]) -> None:
        """Return once the dead letters are acknowledged by all in-sync replicas."""
        try:
            producer = await self._started()
            async with asyncio.timeout(_SECONDS):
                await self._send([_bounded(letter) for letter in letters], producer)
        except (KafkaError, TimeoutError, OSError) as error:
            raise sort(error, f"setting a record aside in {self._topic}", _UNAVAILABLE) from error
        for _, why in letters:
            self._metrics.count("laurel_dead_letters_total", reason=why.reason)

    async def _send(self, letters: Sequence[Letter], producer: AIOKafkaProducer) -> None:
        """Send those of each partition in as few batches as hold them, the partitions side by side."""
        count = len(await producer.partitions_for(self._topic))
        by_partition: dict[int, list[Letter]] = {}
        for letter in letters:
            by_partition.setdefault(_partition(letter[0].key, count), []).append(letter)
        sending = (self._send_to(place, some, producer) for place, some in by_partition.items())
        for fault in await asyncio.gather(*sending, return_exceptions=True):
            if fault is not None:
                raise fault

    async def _send_to(self, partition: int, letters: Sequence[Letter], producer: AIOKafkaProducer) -> None:
        for batch, packed in _batches(letters, producer):
            try:
                await (await producer.send_batch(batch, self._topic, partition=partition))
            except TOO_LARGE:
                cut = [_cut(packed[0])] if len(packed) == 1 else []
                for letter in cut or packed:
                    await self._send_to(partition, [letter], producer)

    async def stop(self) -> None:
        """End the producer."""
        if self._producer is not None:
            await stop_producer(self._producer)
            self._producer = None

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                limits = {"max_request_size": _LARGEST, "max_batch_size": _PACKED}
                limits |= {"request_timeout_ms": int(_SECONDS * 1000)}
                self._producer = await start_producer(self._connection, **limits)
            return self._producer


async def send_as_it_was(
    producer: AIOKafkaProducer, topic: str, key: bytes | None, value: bytes | None, headers: Any
) -> Coordinates:
    """Send one record byte by byte, null key and value included, and return where it stands.

    A batch of one is the way to do it: `send` refuses a record with neither key nor value.
    """
    partition = _partition(key, len(await producer.partitions_for(topic)))
    batch = producer.create_batch()
    batch.append(timestamp=None, key=key, value=value, headers=headers)
    batch.close()
    sent = await (await producer.send_batch(batch, topic, partition=partition))
    return Coordinates(topic=topic, partition=partition, offset=sent.offset, timestamp_ms=sent.timestamp)


def _partition(key: bytes | None, count: int) -> int:
    return int.from_bytes(hashlib.sha256(key or b"").digest()[:4]) % count


def _batches(letters: Sequence[Letter], producer: AIOKafkaProducer) -> Iterator[tuple[Any, Sequence[Letter]]]:
    """Pack them in their order; a batch takes its first letter whatever its size is."""
    batch, packed = producer.create_batch(), list[Letter]()
    for letter in letters:
        if not _appended(batch, letter):
            batch.close()
            yield batch, packed
            batch, packed = producer.create_batch(), []
            _appended(batch, letter)
        packed.append(letter)
    batch.close()
    yield batch, packed


def _appended(batch: Any, letter: Letter) -> bool:
    (record, _), headers = letter, dead_letter_headers(*letter)
    return bool(batch.append(timestamp=None, key=record.key, value=record.value, headers=headers))


def _bounded(letter: Letter) -> Letter:
    """Of what is too large, nobody needs all."""
    record, why = letter
    return _cut(letter) if why.reason == "too_large" and len(record.value or b"") > _KEPT_WHEN_CUT else letter


def _cut(letter: Letter) -> Letter:
    """What fits into any topic: the start of the value, its length and its digest."""
    record, why = letter
    value = record.value or b""
    kept, digest = value[:_KEPT_WHEN_CUT], hashlib.sha256(value).hexdigest()
    note = f"{why.detail}; kept {len(kept)} of {len(value)} bytes without headers, sha256 of all {digest}"
    return (
        record.model_copy(update={"value": kept, "key": None, "headers": ()}),
        why.model_copy(update={"detail": note}),
    )


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
