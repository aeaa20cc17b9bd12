"""A broker of its own behind a proxy, for tests that do it harm."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from service.adapters.kafka.connection import KafkaConnection
from service.local.servers import ports
from service.local.servers.kafka import EmbeddedKafka, Listener
from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Kafka


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


@asynccontextmanager
async def broker_behind_a_proxy(folder: Path) -> AsyncIterator[Behind]:
    """Start it, ready; killed with the block."""
    port, second, front = ports.free_port(2), ports.free_port(), ports.free_port()
    broker = EmbeddedKafka(folder / "kafka", port, listeners=(Listener("PROXY", second, front),))
    broker.start()
    await asyncio.to_thread(broker.wait_ready)
    async with FaultProxy(second, Kafka(), port=front) as proxy:
        through = KafkaConnection(f"127.0.0.1:{front}", request_seconds=4)
        yield Behind(broker, proxy, through, KafkaConnection(broker.bootstrap_servers))
    broker.kill()
