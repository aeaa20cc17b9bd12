"""Starting and ending a producer in bounded time."""

import asyncio
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed

from service.adapters.kafka.connection import KafkaConnection

START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 3.0


async def start_producer(connection: KafkaConnection, **options: Any) -> AIOKafkaProducer:
    """Build a producer that waits for all in-sync replicas, and start it. Raises KafkaError, TimeoutError."""
    producer = AIOKafkaProducer(acks="all", **connection.options() | options)
    try:
        async with asyncio.timeout(START_SECONDS):
            await producer.start()
    except BaseException:
        await stop_producer(producer)
        raise
    return producer


async def stop_producer(producer: AIOKafkaProducer) -> None:
    """End a producer; what it has not sent by now fails at once instead of holding the end up for ever."""
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001 - stop() alone waits without end
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError):
        await producer.client.close()
