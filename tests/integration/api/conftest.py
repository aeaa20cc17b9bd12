"""A door for each test on the session's servers; one of them behind a broker that can be harmed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from config.topics import TOPICS
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.database import open_database
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import upgrade
from tests.harm.kafka_behind import Behind, Fronted, fronted_broker
from tests.worlds.api import ApiWorld, door, ready
from tests.worlds.servers import KafkaServer, PostgresServer


@pytest.fixture(scope="package")
def gateway_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database for all doors: each test has its own model."""
    url = postgres_server.create_database("doors")
    upgrade(url)
    yield url
    postgres_server.drop_database("doors")


@pytest.fixture(scope="package")
def bootstrap(kafka_server: KafkaServer) -> str:
    """The session's broker, with Laurel's topics."""
    asyncio.run(ensure_topics(KafkaConnection(kafka_server.bootstrap_servers), TOPICS))
    return kafka_server.bootstrap_servers


@pytest.fixture
async def world(tmp_path: Path, bootstrap: str, gateway_url: str) -> ApiWorld:
    """Nobody has asked yet."""
    return ApiWorld(tmp_path, bootstrap, bootstrap, gateway_url)


@pytest.fixture
async def client(world: ApiWorld) -> AsyncIterator[httpx.AsyncClient]:
    """The door, ready, with the right token."""
    async with door(world) as client:
        await ready(client)
        yield client


@pytest.fixture
async def store(gateway_url: str) -> AsyncIterator[PostgresRunStore]:
    """The run store behind the door."""
    async with open_database(gateway_url) as database:
        yield PostgresRunStore(database)


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fronted]:
    """A broker of the module's own."""
    with fronted_broker(tmp_path_factory.mktemp("fronted")) as fronted:
        yield fronted


@pytest.fixture
async def behind(fronted: Fronted) -> AsyncIterator[Behind]:
    """That broker behind a proxy of the test's own."""
    async with fronted.behind() as behind:
        await ensure_topics(behind.past, TOPICS)
        yield behind


@pytest.fixture
def harmed(tmp_path: Path, behind: Behind, gateway_url: str) -> ApiWorld:
    """A world whose door reaches Kafka through the proxy."""
    through, past = behind.through.bootstrap_servers, behind.past.bootstrap_servers
    return ApiWorld(tmp_path, through, past, gateway_url)
