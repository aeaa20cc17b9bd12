"""What the suites of the stores share."""

import uuid
from collections.abc import Iterator

import pytest

from service.adapters.postgres.schema import upgrade
from tests.servers import PostgresServer


@pytest.fixture
def model() -> str:
    """A model that no other test has."""
    return f"price {uuid.uuid4()}"


@pytest.fixture(scope="session")
def migrated_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with our schema, for all of the suites: each test has its own model."""
    name = f"contract_{uuid.uuid4().hex}"
    url = postgres_server.create_database(name)
    upgrade(url)
    yield url
    postgres_server.drop_database(name)
