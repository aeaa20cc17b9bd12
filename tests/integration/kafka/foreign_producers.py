"""Producers that are not ours: confluent-kafka and aiokafka, with any codec, in transactions or not."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from aiokafka import AIOKafkaProducer
from confluent_kafka import Producer

Client = Literal["confluent-kafka", "aiokafka"]
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
_SECONDS = 30.0


class Transactional(Protocol):
    """One transactional producer with one transaction at a time."""

    async def begin(self) -> None: ...
    async def put(self, topic: str, partition: int, value: bytes) -> None: ...
    async def commit(self) -> None: ...
    async def abort(self) -> None: ...
    async def close(self) -> None: ...


class _Confluent:
    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    async def begin(self) -> None:
        await asyncio.to_thread(self._producer.begin_transaction)

    async def put(self, topic: str, partition: int, value: bytes) -> None:
        self._producer.produce(topic, value, partition=partition)
        await asyncio.to_thread(self._producer.flush, _SECONDS)

    async def commit(self) -> None:
        await asyncio.to_thread(self._producer.commit_transaction, _SECONDS)

    async def abort(self) -> None:
        await asyncio.to_thread(self._producer.abort_transaction, _SECONDS)

    async def close(self) -> None:
        """It ends with its last reference."""


class _Aiokafka:
    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def begin(self) -> None:
        await self._producer.begin_transaction()

    async def put(self, topic: str, partition: int, value: bytes) -> None:
        await self._producer.send_and_wait(topic, value, partition=partition)

    async def commit(self) -> None:
        await self._producer.commit_transaction()

    async def abort(self) -> None:
        await self._producer.abort_transaction()

    async def close(self) -> None:
        await self._producer.stop()


async def transactional(client: Client, servers: str, codec: str = "none") -> Transactional:
    """Start a producer under a name of its own."""
    name = f"stranger-{uuid.uuid4().hex}"
    if client == "confluent-kafka":
        settings = {"bootstrap.servers": servers, "transactional.id": name, "compression.type": codec}
        producer = Producer(settings | {"log_level": 0})
        await asyncio.to_thread(producer.init_transactions, _SECONDS)
        return _Confluent(producer)
    kind = None if codec == "none" else codec
    own = AIOKafkaProducer(bootstrap_servers=servers, transactional_id=name, compression_type=kind)
    await own.start()
    return _Aiokafka(own)


async def send(
    client: Client, servers: str, topic: str, values: Sequence[bytes], codec: str, headers: Any = ()
) -> None:
    """Send records to partition 0 in one batch, and wait until they are acknowledged."""
    if client == "confluent-kafka":
        producer = Producer(
            {"bootstrap.servers": servers, "compression.type": codec, "linger.ms": 50, "log_level": 0}
        )
        for value in values:
            producer.produce(topic, value, partition=0, headers=list(headers))
        assert await asyncio.to_thread(producer.flush, _SECONDS) == 0
        return
    kind = None if codec == "none" else codec
    options = {"compression_type": kind, "linger_ms": 50, "max_request_size": 1 << 25}
    async with AIOKafkaProducer(bootstrap_servers=servers, **options) as own:
        await asyncio.gather(
            *[await own.send(topic, value, partition=0, headers=list(headers)) for value in values]
        )
