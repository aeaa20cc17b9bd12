"""A world around one inbox on the real broker, and a broker of its own for tests that do it harm."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.adapters.kafka.connection import KafkaConnection
from service.embedded import ports
from service.embedded.kafka import EmbeddedKafka, Listener
from tests.integration.kafka.inbox_world import InboxWorld
from tests.proxies import FaultProxy
from tests.servers import KafkaServer
from tests.wire_formats import Kafka


@pytest.fixture
def connection(kafka_server: KafkaServer) -> KafkaConnection:
    """To the session's broker."""
    return KafkaConnection(kafka_server.bootstrap_servers)


@pytest.fixture
async def world(connection: KafkaConnection) -> AsyncIterator[InboxWorld]:
    """Nothing consumes yet: a test starts workers."""
    world = InboxWorld(connection)
    await world.open()
    yield world
    await world.close()


@dataclass
class Behind:
    """A broker of its own, the proxy in front of it, and the way past the proxy."""

    broker: EmbeddedKafka
    proxy: FaultProxy
    through: KafkaConnection
    past: KafkaConnection

    def kill(self) -> None:
        """End the broker as a crash does."""
        self.broker.kill()

    async def restart(self) -> None:
        """Start it again on its data."""
        self.broker.start()
        await asyncio.to_thread(self.broker.wait_ready)


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    port, second, front = ports.free_port(2), ports.free_port(), ports.free_port()
    broker = EmbeddedKafka(tmp_path / "kafka", port, listeners=(Listener("PROXY", second, front),))
    broker.start()
    await asyncio.to_thread(broker.wait_ready)
    async with FaultProxy(second, Kafka(), port=front) as proxy:
        through = KafkaConnection(f"127.0.0.1:{front}", request_seconds=4)
        yield Behind(broker, proxy, through, KafkaConnection(broker.bootstrap_servers))
    broker.kill()
