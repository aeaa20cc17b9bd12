"""A broker of its own behind a proxy, for tests that do it harm."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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


@dataclass(frozen=True)
class Fronted:
    """A broker that sends those who come by a second listener to the port `front`, where a proxy may be."""

    broker: EmbeddedKafka
    second: int
    front: int

    @asynccontextmanager
    async def behind(self) -> AsyncIterator[Behind]:
        """A proxy in front of it, for one test."""
        if self.broker.has_ended():
            self.broker.start()
            await asyncio.to_thread(self.broker.wait_ready)
        async with FaultProxy(self.second, Kafka(), port=self.front) as proxy:
            through = KafkaConnection(f"127.0.0.1:{self.front}", request_seconds=4)
            yield Behind(self.broker, proxy, through, KafkaConnection(self.broker.bootstrap_servers))


@contextmanager
def fronted_broker(folder: Path) -> Iterator[Fronted]:
    """Start it, ready; killed with the block."""
    port, second, front = ports.free_port(2), ports.free_port(), ports.free_port()
    broker = EmbeddedKafka(folder / "kafka", port, listeners=(Listener("PROXY", second, front),))
    broker.start()
    broker.wait_ready()
    yield Fronted(broker, second, front)
    broker.kill()
