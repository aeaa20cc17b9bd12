"""The schema: made once, by one process, and refused by code that does not know it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from domain.bar_announcement import hold_begun, hold_ended
from domain.errors import PromotionBarred, Stop, TryLater
from domain.ledger import Cause
from service.adapters.postgres.database import open_database
from service.adapters.postgres.engine import transaction
from service.adapters.postgres.migrate import _config, known_versions
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import require_current, upgrade
from service.adapters.postgres.schema_version import NEWEST
from service.adapters.postgres.tables import metadata
from service.local.servers import ports
from tests.contract.stores import following, on_postgres, promoted
from tests.contract.test_holds import ending, hold
from tests.integration.postgres_admin import plain


@pytest.fixture
def database_url(empty_database_url: str) -> str:
    """Here a database begins without our schema."""
    return empty_database_url


def test_four_workers_that_start_on_an_empty_database_all_find_the_schema(database_url: str) -> None:
    together = Barrier(4)

    def start() -> None:
        together.wait()
        upgrade(database_url)
        require_current(database_url)

    with ThreadPoolExecutor(4) as workers:
        for started in [workers.submit(start) for _ in range(4)]:
            started.result()
    with plain(database_url) as connection:
        assert connection.execute("SELECT version_num FROM laurel.alembic_version").fetchall() == [(NEWEST,)]


def test_the_version_that_code_needs_is_the_one_that_the_scripts_end_at() -> None:
    assert known_versions()[0] == NEWEST


def test_upgrading_again_changes_nothing(database_url: str) -> None:
    upgrade(database_url)
    with plain(database_url) as connection:
        before = connection.execute("SELECT oid FROM pg_class ORDER BY oid").fetchall()
        upgrade(database_url)
        assert connection.execute("SELECT oid FROM pg_class ORDER BY oid").fetchall() == before


def test_the_tables_of_the_code_are_those_that_the_migrations_make(database_url: str) -> None:
    upgrade(database_url)

    def ours(_: object, name: str | None, kind: str, __: bool, ___: object) -> bool:  # noqa: FBT001 - Alembic's
        return kind in {"table", "column"} and name != "alembic_version"

    with transaction(database_url, "compare") as connection:
        options = {"include_schemas": True, "include_object": ours, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


async def test_an_upgrade_keeps_the_rows_that_are_there_and_begins_to_guard(database_url: str) -> None:
    """From the schema without holds and quarantines, with champions and an announcement in it."""
    _upgrade_to("0005", database_url)
    async with on_postgres(database_url, "price") as stores:
        first = following(None, "price", cause=Cause.GATE)
        second = following(first, "price", version=2)
        for entry in (first, second):
            await stores.ledger.append(entry)
        await stores.ledger.announce(first, promoted(first))
    await asyncio.to_thread(upgrade, database_url)
    async with on_postgres(database_url, "price") as stores:
        assert list(await stores.ledger.entries("price")) == [first, second]
        assert list(await stores.ledger.unannounced("price")) == [second]
        third = following(second, "price", version=3, cause=Cause.GATE)
        one = hold("price")
        await stores.holds.begin(one, hold_begun(one))
        with pytest.raises(PromotionBarred):
            await stores.ledger.append(third)
        await stores.holds.end(one, ending("price"), hold_ended(one, ending("price")))
        await stores.ledger.append(third)
        assert await stores.ledger.first_broken_generation("price") is None


def _upgrade_to(version: str, url: str) -> None:
    with transaction(url, "upgrade") as connection:
        connection.execute(text("CREATE SCHEMA laurel"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, version)


def test_what_others_keep_in_the_same_database_is_left_alone(database_url: str) -> None:
    """MLflow has tables of the same names."""
    with plain(database_url) as connection:
        connection.execute(
            "CREATE TABLE runs (run_uuid text); CREATE TABLE alembic_version (version_num text)"
        )
        connection.execute("INSERT INTO alembic_version VALUES ('of MLflow')")
        upgrade(database_url)
        assert connection.execute("SELECT * FROM public.alembic_version").fetchall() == [("of MLflow",)]
    require_current(database_url)


def test_code_refuses_a_schema_that_is_newer_and_says_which(database_url: str) -> None:
    upgrade(database_url)
    with plain(database_url) as connection:
        connection.execute("UPDATE laurel.alembic_version SET version_num = '0999'")
    for refuse in (upgrade, require_current):
        with pytest.raises(Stop, match=f"version 0999.*newest is {NEWEST}") as refused:
            refuse(database_url)
        assert refused.value.reason == "schema_newer"


def test_code_refuses_a_database_without_our_schema_and_says_the_mend(database_url: str) -> None:
    with pytest.raises(Stop, match="laurel db upgrade") as refused:
        require_current(database_url)
    assert refused.value.reason == "schema_older"


async def test_a_store_stops_when_the_schema_is_not_there(database_url: str) -> None:
    async with open_database(database_url) as database:
        with pytest.raises(Stop, match="laurel db upgrade"):
            await PostgresRunStore(database).recent("price", 1)


def test_an_upgrade_that_fails_leaves_nothing_behind(database_url: str) -> None:
    with plain(database_url) as connection:
        connection.execute("CREATE SCHEMA laurel; CREATE TABLE laurel.first_uses (somebodys text)")
        with pytest.raises(Exception, match="first_uses"):
            upgrade(database_url)
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'laurel'").fetchall()
        assert names == [("first_uses",)]


@pytest.mark.parametrize("call", [upgrade, require_current])
def test_a_database_that_is_away_is_waited_for(call: Any) -> None:
    with pytest.raises(TryLater) as away:
        call(f"postgresql://laurel:s3cret@127.0.0.1:{ports.free_port()}/laurel")
    assert away.value.waiting_on == "postgres"
    assert "s3cret" not in str(away.value)


@pytest.mark.parametrize(
    "url", ["", "not a url", "mysql://laurel:s3cret@host/x", "postgresql://u:s3cret@host:port/x"]
)
async def test_a_url_that_is_not_postgresqls_stops_the_process_without_being_printed(url: str) -> None:
    with pytest.raises(Stop) as refused:
        async with open_database(url):
            pass
    assert refused.value.reason == "bad_database_url"
    assert "s3cret" not in str(refused.value)
