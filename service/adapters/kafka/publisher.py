"""Sends announcements: the same bytes each time, acknowledged by all in-sync replicas."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from domain.announcement import Announcement
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.errors import kafka_errors, sort
from service.adapters.kafka.producers import START_SECONDS, start_producer, stop_producer
from service.runtime.metrics import Metrics

_SEND_SECONDS: Final = 10.0

log = structlog.get_logger("laurel.publisher")


@dataclass
class _Live:
    """A producer and what is on its way through it, by event id."""

    producer: AIOKafkaProducer
    sending: dict[str, asyncio.Future[Any]] = field(default_factory=dict)


class KafkaPublisher:
    """An idempotent producer that is replaced when it can send no more.

    It never gives up by itself, so each wait is bounded; a send that took too long goes on, and the next call
    for the same event waits for it instead of sending it again. After one permanent error the library's
    sequence has a gap and every later send would fail: then a new producer takes over.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        metrics: Metrics,
        max_event_bytes: int,
        send_seconds: float = _SEND_SECONDS,
    ) -> None:
        self._connection = connection
        self._send_seconds = send_seconds
        self._metrics = metrics
        # The producer's own limit counts some framing, and is not the one that decides.
        self._options = {"enable_idempotence": True, "max_request_size": max_event_bytes + 4096}
        self._live: _Live | None = None
        self._starting = asyncio.Lock()

    async def start(self, topics: Iterable[str]) -> None:
        """Connect and learn where the topics are, so that the first event is as fast as the others.

        Raises TryLater when the brokers do not answer; `publish` then connects later.
        """
        live = await self._producer()
        async with kafka_errors("asking for the topics", within=_SEND_SECONDS):
            for topic in topics:
                await live.producer.partitions_for(topic)

    async def publish(self, announcement: Announcement) -> None:
        """Return once Kafka has acknowledged it. Safe to repeat: every repeat is equal byte by byte.

        Raises TryLater when Kafka does not answer, NeverRetry `event_too_large` when its topic refuses it.
        """
        live, began = await self._producer(), time.monotonic()
        try:
            async with asyncio.timeout(self._send_seconds):
                await asyncio.shield(await self._sent(live, announcement))
        except TimeoutError as error:
            raise sort(error, f"publishing to {announcement.topic}") from error
        except KafkaError as error:
            await self._replace(live, error)
            raise sort(error, f"publishing to {announcement.topic}") from error
        live.sending.pop(announcement.event_id, None)
        self._metrics.observe("laurel_publish_duration_seconds", time.monotonic() - began)

    async def ping(self) -> None:
        """Raise TryLater unless the brokers answer."""
        live = await self._producer()
        async with kafka_errors("asking for the brokers", within=5):
            await live.producer.client.fetch_all_metadata()

    async def stop(self) -> None:
        """End the producer."""
        if self._live is not None:
            await stop_producer(self._live.producer)
            self._live = None

    async def _sent(self, live: _Live, announcement: Announcement) -> asyncio.Future[Any]:
        on_its_way = live.sending.get(announcement.event_id)
        if on_its_way is None:
            on_its_way = await live.producer.send(
                announcement.topic,
                value=announcement.body.encode(),
                key=announcement.key.encode(),
                headers=[(name, text.encode()) for name, text in announcement.headers.items()],
            )
            on_its_way.add_done_callback(_seen)
            live.sending[announcement.event_id] = on_its_way
        return on_its_way

    async def _producer(self) -> _Live:
        async with self._starting:
            if self._live is None:
                try:
                    producer = await start_producer(self._connection, **self._options)
                except (KafkaError, TimeoutError, OSError) as error:
                    raise sort(error, f"connecting for {START_SECONDS:.0f} s") from error
                self._live = _Live(producer)
            return self._live

    async def _replace(self, broken: _Live, error: KafkaError) -> None:
        if self._live is broken:
            log.warning("producer_replaced", why=str(error))
            self._live = None
            await stop_producer(broken.producer)


def _seen(sent: asyncio.Future[Any]) -> None:
    """Take note of how a send ended that nobody may be waiting for any more."""
    if not sent.cancelled():
        sent.exception()
