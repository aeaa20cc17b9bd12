"""What the stores promise, they keep behind a pooler in session mode, too."""

from collections.abc import AsyncIterator

import pytest

from tests.contract.stores import OnPostgres
from tests.contract.test_outbox import OutboxContract, RelayContract, RowWakingContract
from tests.contract.test_run_store import LeaseContract
from tests.harm.poolers import Mode, Pooler


@pytest.fixture
async def migrated_url(migrated_url: str) -> AsyncIterator[str]:
    """The way through the pooler."""
    async with Pooler(migrated_url, Mode.SESSION, size=40) as pooler:
        yield pooler.url


class TestPooledOutbox(OnPostgres, OutboxContract):
    """On PostgreSQL behind a pooler."""


class TestPooledRelay(OnPostgres, RelayContract):
    """On PostgreSQL behind a pooler."""


class TestPooledRowWaking(OnPostgres, RowWakingContract):
    """On PostgreSQL behind a pooler."""


class TestPooledLeases(OnPostgres, LeaseContract):
    """On PostgreSQL behind a pooler."""
