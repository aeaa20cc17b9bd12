"""A world around one inbox on the real broker, and a broker of its own for tests that do it harm."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.adapters.kafka.connection import KafkaConnection
from tests.harm.kafka_behind import Behind, Fronted, fronted_broker
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


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """A broker of the module's own."""
    with fronted_broker(tmp_path_factory.mktemp("fronted")) as fronted:
        yield fronted


@pytest.fixture
async def behind(fronted: Fronted) -> AsyncIterator[Behind]:
    """That broker behind a proxy of the test's own."""
    async with fronted.behind() as behind:
        yield behind
