"""A world for each test on the session's servers, and stand-ins for its inference servers."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from config.topics import TOPICS
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from tests.worlds.reload import ReloadWorld, open_world
from tests.worlds.servers import KafkaServer
from tests.worlds.stand_in_server import StandIn

MakeStandIn = Callable[..., Awaitable[StandIn]]


@pytest.fixture
async def world(tmp_path: Path, kafka_server: KafkaServer, database_url: str) -> AsyncIterator[ReloadWorld]:
    """Nobody is champion yet, and nobody listens."""
    await ensure_topics(KafkaConnection(kafka_server.bootstrap_servers), TOPICS)
    async with open_world(tmp_path, kafka_server.bootstrap_servers, database_url) as world:
        yield world


@pytest.fixture
async def stand_in() -> AsyncIterator[MakeStandIn]:
    """Makes inference servers; all end with the test."""
    made: list[StandIn] = []

    async def make(**facts: object) -> StandIn:
        made.append(await StandIn(**facts).start())  # type: ignore[arg-type]
        return made[-1]

    yield make
    for server in made:
        await server.stop()
