"""A world around one inbox on the real broker, and a broker of its own for tests that do it harm."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.adapters.kafka.connection import KafkaConnection
from tests.harm.kafka_behind import Behind, broker_behind_a_proxy
from tests.worlds.inbox import InboxWorld
from tests.worlds.servers import KafkaServer


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


@pytest.fixture
async def behind(tmp_path: Path) -> AsyncIterator[Behind]:
    """A broker of the test's own."""
    async with broker_behind_a_proxy(tmp_path) as behind:
        yield behind
