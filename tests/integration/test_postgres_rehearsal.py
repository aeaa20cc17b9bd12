"""The rehearsal of the hot path leaves nothing and wakes nobody."""

import asyncio
from typing import Any

from service.adapters.postgres.database import open_database
from service.adapters.postgres.dry_run import dry_run
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.tables import metadata
from tests.contract.stores import LONG, announcement, request
from tests.integration.postgres_admin import ask


async def test_a_rehearsal_leaves_nothing_and_wakes_nobody(database_url: str) -> None:
    async with open_database(database_url) as database, open_database(database_url) as another:
        store, outbox = PostgresRunStore(another), PostgresOutbox(another, "price")
        await PostgresOutbox(database, "price").add(announcement("price"))
        await outbox.wait_for_rows(LONG)  # so it listens
        await asyncio.gather(store.claim("price", "w", LONG), outbox.unsent(1))
        rings = another.work.rings, another.outbox.rings
        rows = _rows(database_url)
        for _ in range(2):
            await dry_run(database)
        assert _rows(database_url) == rows
        await PostgresRunStore(database).add(request("price"))
        await store.wait_for_work(LONG)
        assert (another.work.rings, another.outbox.rings) == (rings[0] + 1, rings[1])


def _rows(database_url: str) -> dict[str, Any]:
    """How many rows each table has."""
    tables = [table.fullname for table in metadata.sorted_tables]
    return {table: ask(database_url, f"SELECT count(*) FROM {table}") for table in tables}  # noqa: S608


async def test_after_a_rehearsal_requests_are_handled_as_before(database_url: str) -> None:
    async with open_database(database_url) as database:
        await dry_run(database)
        store = PostgresRunStore(database)
        await store.add(request("price", "one"))
        await store.claim("price", "w", LONG)
        seen_by_others = ask(database_url, "SELECT identity, fence, owner FROM laurel.runs")
        assert seen_by_others == [("one", 1, "w")]
