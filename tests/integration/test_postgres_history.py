"""The history in the database: each question has its index, and a ledger from before is read whole."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.ledger import Cause, LedgerEntry
from service.adapters.postgres.champion_history import PostgresChampionHistory
from service.adapters.postgres.database import open_database
from service.adapters.postgres.engine import transaction
from service.adapters.postgres.migrate import migrate
from service.adapters.postgres.one_session import open_one_session
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.schema import upgrade
from tests.contract.stores import following, on_postgres, request
from tests.integration.postgres_admin import ask, plain
from tests.integration.seeded_history import MODEL, plans, seed
from tests.kit.reigns import reigns_of

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
# What 0.1.0 writes of an entry; later releases write its digest too.
OLD_COLUMNS = ("model_name", "generation", "version", "cause", "previous_hash", "hash", "content")
_NO_SCANS = """
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET enable_seqscan = off', current_database()); END $$
"""
_MILLISECONDS = re.compile(r"^Execution Time: ([\d.]+) ms$", re.MULTILINE)


async def test_every_question_about_the_history_uses_an_index(database_url: str) -> None:
    """With so few rows a scan would be quicker, so scans are forbidden; one that is left has no index."""
    with plain(database_url) as connection:
        seed(connection, generations=500, runs=1000)
        connection.execute(_NO_SCANS.encode())
    assert_indexed(await plans(database_url, 250))


@pytest.mark.soak
async def test_every_question_is_quick_in_100_000_generations_and_1_000_000_runs(database_url: str) -> None:
    """Some 210 s on a busy machine, nearly all of it for the rows."""
    with plain(database_url) as connection:
        seed(connection, generations=100_000, runs=1_000_000)
    found = await plans(database_url, 50_000)
    assert_indexed(found)
    assert {name: ms for name, plan in found.items() if (ms := milliseconds(plan)) > 1000} == {}


def assert_indexed(found: dict[str, str]) -> None:
    """No table is read from end to end, and no row is read to be thrown away."""
    assert {name: plan for name, plan in found.items() if "Seq Scan" in plan} == {}
    assert {name: plan for name, plan in found.items() if "Rows Removed by Filter" in plan} == {}
    for name, plan in found.items():
        scans = re.findall(r"Index (?:Only )?Scan", plan)
        assert len(re.findall("Index Cond", plan)) == len(scans) > 0, (name, plan)


def milliseconds(plan: str) -> float:
    (told,) = _MILLISECONDS.findall(plan)
    return float(told)


def made(minutes: Sequence[int]) -> list[LedgerEntry]:
    """A ledger with entries of these minutes."""
    entries: list[LedgerEntry] = []
    for minute in minutes:
        head = entries[-1] if entries else None
        at = NOON + timedelta(minutes=minute)
        entries.append(following(head, MODEL, cause=Cause.OVERRIDE, at=at))
    return entries


def insert_as_before(url: str, *entries: LedgerEntry) -> None:
    """Insert as an earlier release does, which does not know that there is more."""
    for entry in entries:
        row = entry.model_dump(mode="json") | {"hash": entry.hash, "content": entry.text}
        values = [row[name] for name in OLD_COLUMNS]
        places = ", ".join(["%s"] * len(values))
        columns = ", ".join(OLD_COLUMNS)
        ask(url, f"INSERT INTO laurel.promotion_ledger ({columns}) VALUES ({places})", *values)  # noqa: S608


async def test_a_ledger_from_before_is_told_with_its_times_and_an_old_worker_goes_on(
    empty_database_url: str,
) -> None:
    entries = made((0, 10, 7, 30, 20))
    with transaction(empty_database_url, "make the schema of before") as connection:
        connection.exec_driver_sql("CREATE SCHEMA laurel")
        migrate(connection, "0005")
    insert_as_before(empty_database_url, *entries[:3])

    upgrade(empty_database_url)
    insert_as_before(empty_database_url, *entries[3:])

    async with open_one_session(empty_database_url, application="t") as session:
        found = await PostgresChampionHistory(session, MODEL).page(10)
    assert list(found) == reigns_of(entries)[::-1]
    async with open_database(empty_database_url) as database:
        assert await PostgresPromotionLedger(database).first_broken_generation(MODEL) is None
    with pytest.raises(Exception, match="only ever added to"):
        ask(empty_database_url, "UPDATE laurel.promotion_ledger SET since = now()")


async def test_a_ledger_that_was_broken_before_does_not_stop_an_upgrade(empty_database_url: str) -> None:
    with transaction(empty_database_url, "make the schema of before") as connection:
        connection.exec_driver_sql("CREATE SCHEMA laurel")
        migrate(connection, "0005")
    insert_as_before(empty_database_url, *made((0, 10)))
    with plain(empty_database_url) as connection:
        connection.execute(b"ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER USER")
        connection.execute(b"UPDATE laurel.promotion_ledger SET content = 'gone' WHERE generation = 2")
        connection.execute(b"ALTER TABLE laurel.promotion_ledger ENABLE TRIGGER USER")

    upgrade(empty_database_url)

    ((count,),) = ask(
        empty_database_url, "SELECT count(*) FROM laurel.promotion_ledger WHERE since IS NOT NULL"
    )
    assert count == 2


async def test_a_run_is_found_by_an_id_that_is_longer_than_an_index_takes(database_url: str) -> None:
    long = "x" * 10_000
    async with on_postgres(database_url, MODEL) as stores:
        for end in ("a", "b"):
            asked = request(MODEL, f"{long}{end}")
            await stores.runs.add(asked.model_copy(update={"correlation_id": f"{long}{end}"}))
        assert [run.correlation_id[-1] for run in await stores.runs.search(f"{long}a")] == ["a"]
        assert len(await stores.runs.search(long)) == 2
