"""The ledger in the database: nobody changes it, and whoever does all the same is found out.

Its cost: a database of its own for each case.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from domain.announcement import announcement_of
from domain.bar_announcement import hold_begun
from domain.errors import NeverRetry, PromotionBarred, Stop
from domain.ledger import Cause, LedgerEntry, recovery_entry
from domain.lifecycle import Outcome
from service.adapters.postgres.database import open_database
from service.adapters.postgres.database_roles import grant_to_worker
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.schema import require_current
from tests.contract.stores import (
    CHILD_DIED,
    WAY_TO_EVALUATED,
    Stores,
    announcement,
    brought_to,
    claimed,
    following,
    on_postgres,
    promoted,
)
from tests.contract.test_holds import hold
from tests.integration.postgres_admin import as_user, ask, plain

MODEL = "price"
ROLE = "laurel_worker"
CHANGES = {
    "update": "UPDATE laurel.promotion_ledger SET version = 1",
    "update nothing": "UPDATE laurel.promotion_ledger SET version = 1 WHERE false",
    "delete": "DELETE FROM laurel.promotion_ledger",
    "truncate": "TRUNCATE laurel.promotion_ledger",
}
FORGERIES = {
    "another version in the text": "content = replace(content, '\"version\":2', '\"version\":9')",
    "another reason in the text": "content = replace(content, 'a reason', 'no reason')",
    "another text, sealed anew": (
        "content = replace(content, '\"version\":2', '\"version\":9'), version = 9, hash = encode(sha256("
        "convert_to(replace(content, '\"version\":2', '\"version\":9'), 'UTF8')), 'hex')"
    ),
    "another version in the column": "version = 9",
    "another cause": "cause = 'override'",
    "another link": "previous_hash = repeat('1', 64)",
    "no JSON at all": "content = 'gone'",
    "no JSON, sealed anew": "content = 'gone', hash = encode(sha256('gone'), 'hex')",
    "another generation": "generation = 12",
}


@pytest.fixture
async def stores(database_url: str) -> AsyncIterator[Stores]:
    async with on_postgres(database_url, MODEL) as stores:
        yield stores


@pytest.fixture
async def chain(stores: Stores) -> list[LedgerEntry]:
    """Three generations, announced."""
    entries: list[LedgerEntry] = []
    for version in (1, 2, 3):
        entry = following(entries[-1] if entries else None, MODEL, version=version)
        await stores.ledger.append(entry)
        await stores.ledger.announce(entry, promoted(entry))
        entries.append(entry)
    return entries


async def audit(url: str) -> int | None:
    async with open_database(url) as database:
        return await PostgresPromotionLedger(database).first_broken_generation(MODEL)


def forge(url: str, statement: str) -> None:
    """Change the ledger as only its owner can: with the triggers switched off."""
    with plain(url) as connection:
        connection.execute("ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER USER")
        assert connection.execute(statement.encode()).rowcount == 1
        connection.execute("ALTER TABLE laurel.promotion_ledger ENABLE TRIGGER USER")


@pytest.mark.usefixtures("chain")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_even_the_owner_cannot_change_an_entry(database_url: str, change: str) -> None:
    with plain(database_url) as connection:
        before = connection.execute("SELECT * FROM laurel.promotion_ledger").fetchall()
        with pytest.raises(psycopg.Error, match="only ever added to"):
            connection.execute(change.encode())
        assert connection.execute("SELECT * FROM laurel.promotion_ledger").fetchall() == before


async def test_a_sound_ledger_passes_its_audit(database_url: str, chain: list[LedgerEntry]) -> None:
    assert await audit(database_url) is None
    seals = "SELECT hash, encode(sha256(convert_to(content, 'UTF8')), 'hex') FROM laurel.promotion_ledger"
    assert sorted(ask(database_url, seals)) == sorted((entry.hash, entry.hash) for entry in chain)


async def test_a_ledger_that_does_not_exist_yet_passes_its_audit(database_url: str, stores: Stores) -> None:
    assert await stores.ledger.head(MODEL) is None
    assert await audit(database_url) is None


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES.keys())
async def test_the_audit_names_a_forged_generation_and_promotions_stop(
    database_url: str, stores: Stores, chain: list[LedgerEntry], forgery: str
) -> None:
    forge(database_url, f"UPDATE laurel.promotion_ledger SET {forgery} WHERE generation = 2")  # noqa: S608
    assert await audit(database_url) in {2, 3}  # a new seal that fits is seen where the next one points to it
    await _promotions_stop(stores, following(chain[-1], MODEL, version=4))


@pytest.mark.parametrize("generation", [1, 2, 3])
async def test_the_audit_names_a_generation_that_is_gone_and_promotions_stop(
    database_url: str, stores: Stores, chain: list[LedgerEntry], generation: int
) -> None:
    """The newest one too: it was announced."""
    forge(database_url, f"DELETE FROM laurel.promotion_ledger WHERE generation = {generation}")  # noqa: S608
    assert await audit(database_url) == generation
    head = chain[-1] if generation < 3 else chain[-2]
    await _promotions_stop(stores, following(head, MODEL, version=4))


REWRITES = {
    "another version": {"version": 9},
    "another reason": {"reasons": ("said later",)},
    "another cause": {"cause": Cause.OVERRIDE},
    "another actor": {"actor": "nobody"},
}


@pytest.mark.parametrize("facts", REWRITES.values(), ids=REWRITES.keys())
async def test_a_history_that_holds_together_and_was_announced_otherwise_is_broken(
    database_url: str, stores: Stores, facts: dict[str, Any]
) -> None:
    """The owner writes the ledger anew from generation 2 on, every seal and every link: the outbox tells."""
    one = following(None, MODEL)
    two = following(one, MODEL, version=2)
    for entry in (one, two, following(two, MODEL, version=3)):
        await stores.ledger.append(entry)
        await stores.ledger.announce(entry, announcement_of(entry, "a-ledger"))
    assert await audit(database_url) is None
    other_two = two.model_copy(update=facts)
    other_three = following(other_two, MODEL, version=3)
    for entry in (other_two, other_three):
        _replace(database_url, entry)
    assert await audit(database_url) == 2
    await _promotions_stop(stores, following(other_three, MODEL, version=4))


async def test_an_append_audits_the_newest_thousand_and_a_look_all_of_them(database_url: str) -> None:
    entries: list[LedgerEntry] = []
    for version in range(1, 1003):
        entries.append(following(entries[-1] if entries else None, MODEL, version=version))
    with plain(database_url) as connection, connection.cursor() as cursor:
        connection.execute("ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER USER")
        columns = "model_name, generation, version, cause, previous_hash, hash, content, since"
        cursor.executemany(
            f"INSERT INTO laurel.promotion_ledger ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608 - a constant
            [
                (MODEL, one.generation, one.version, one.cause, one.previous_hash, one.hash, one.text, one.at)
                for one in entries
            ],
        )
        connection.execute("ALTER TABLE laurel.promotion_ledger ENABLE TRIGGER USER")
    forge(database_url, "UPDATE laurel.promotion_ledger SET version = 9 WHERE generation = 2")
    async with open_database(database_url) as database:
        ledger = PostgresPromotionLedger(database)
        assert await ledger.first_broken_generation(MODEL) == 2
        assert await ledger.first_broken_generation(MODEL, recent=True) is None
        await ledger.append(following(entries[-1], MODEL, version=1003))
        forge(database_url, "UPDATE laurel.promotion_ledger SET version = 9 WHERE generation = 4")
        assert await ledger.first_broken_generation(MODEL, recent=True) == 4
        with pytest.raises(NeverRetry, match="broken at generation 4"):
            await ledger.append(following(await ledger.head(MODEL), MODEL, version=1004))


async def test_another_digest_than_was_announced_is_broken(database_url: str, stores: Stores) -> None:
    entry = following(None, MODEL, model_digest="a" * 64)
    await stores.ledger.append(entry)
    await stores.ledger.announce(entry, announcement_of(entry, "a-ledger"))
    assert await audit(database_url) is None
    forge(database_url, "UPDATE laurel.promotion_ledger SET model_digest = repeat('b', 64)")
    assert await audit(database_url) == 1


async def test_a_recovery_goes_on_after_entries_that_are_gone_and_never_over_one_that_was_changed(
    database_url: str, stores: Stores, chain: list[LedgerEntry]
) -> None:
    forge(database_url, "DELETE FROM laurel.promotion_ledger WHERE generation = 3")
    with pytest.raises(NeverRetry, match="does not follow"):  # generation 3 was announced
        await stores.ledger.append(_recovery(chain[1], 2))
    recovery = _recovery(chain[1], 3)
    await stores.ledger.append(recovery)
    assert await audit(database_url) is None
    await stores.ledger.append(following(recovery, MODEL, version=4))
    forge(database_url, "UPDATE laurel.promotion_ledger SET version = 9 WHERE generation = 2")
    with pytest.raises(NeverRetry, match="broken at generation 2"):
        await stores.ledger.append(_recovery(following(recovery, MODEL, version=4), 9))


def _recovery(head: LedgerEntry, highest: int) -> LedgerEntry:
    return recovery_entry(
        MODEL, head, highest=highest, version=3, reasons=("a restore",), actor="a test", at=head.at
    )


def _replace(url: str, entry: LedgerEntry) -> None:
    with plain(url) as connection:
        connection.execute("ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER USER")
        connection.execute(
            "UPDATE laurel.promotion_ledger SET (version, cause, previous_hash, hash, content)"
            " = (%s, %s, %s, %s, %s) WHERE generation = %s",
            (entry.version, entry.cause, entry.previous_hash, entry.hash, entry.text, entry.generation),
        )
        connection.execute("ALTER TABLE laurel.promotion_ledger ENABLE TRIGGER USER")


@pytest.mark.parametrize(
    "change",
    ["UPDATE laurel.ledger_identity SET id = 'x'", "DELETE FROM laurel.ledger_identity"],
)
@pytest.mark.usefixtures("stores")
def test_nobody_gives_the_ledger_another_id(database_url: str, change: str) -> None:
    with plain(database_url) as connection, pytest.raises(psycopg.Error, match="only ever added to"):
        connection.execute(change.encode())


async def _promotions_stop(stores: Stores, entry: LedgerEntry) -> None:
    before = await stores.outbox.unsent(100)
    with pytest.raises(NeverRetry, match="broken at generation") as by_hand:
        await stores.ledger.append(entry)
    run = await brought_to(stores, await claimed(stores, MODEL), *WAY_TO_EVALUATED)
    with pytest.raises(NeverRetry) as by_the_gate:
        await stores.runs.advance(run, Outcome.WON, announcements=[announcement(MODEL)], entry=entry)
    assert {by_hand.value.reason, by_the_gate.value.reason} == {"ledger_broken"}
    assert await stores.runs.get(run.run_id) == run
    assert await stores.outbox.unsent(100) == before
    ended = await stores.runs.advance(run, Outcome.GAVE_UP, failure=CHILD_DIED)
    assert ended.ended


@pytest.fixture
def worker_url(database_url: str) -> Iterator[str]:
    """A role that owns nothing."""
    ask(database_url, f"CREATE ROLE {ROLE} LOGIN PASSWORD 'of-the-worker'")
    for _ in range(2):
        grant_to_worker(database_url, ROLE)
    yield as_user(database_url, ROLE, "of-the-worker")
    ask(database_url, f"DROP OWNED BY {ROLE}")
    ask(database_url, f"DROP ROLE {ROLE}")


async def test_a_worker_without_ownership_lives_a_whole_life(worker_url: str) -> None:
    require_current(worker_url)
    async with on_postgres(worker_url, MODEL) as stores:
        run = await stores.runs.begin(await claimed(stores, MODEL))
        run = await stores.runs.keep(run, "open_run", {"mlflow_run_id": "m"})
        run = await stores.runs.advance(run, Outcome.RESOLVED, output={}, announcements=[announcement(MODEL)])
        entry = following(None, MODEL)
        run = await brought_to(stores, run, *WAY_TO_EVALUATED[1:])
        run = await stores.runs.advance(run, Outcome.WON, entry=entry)
        await stores.ledger.announce(entry, promoted(entry))
        ended = await stores.runs.advance(run, Outcome.PERSISTED)
        await stores.outbox.mark_sent([row.seq for row in await stores.outbox.unsent(10)])
        await stores.first_uses.record("splits", "v1", "digest", run.run_id)
        await stores.alias_writes.close(await stores.alias_writes.open(MODEL, 1, "w"))
        await stores.runs.job_done(ended.run_id, "status")
    assert await audit(worker_url) is None


@pytest.mark.parametrize(
    "change",
    [
        *CHANGES.values(),
        "ALTER TABLE laurel.promotion_ledger DISABLE TRIGGER USER",
        "DROP TRIGGER only_ever_added_to ON laurel.promotion_ledger",
        "UPDATE laurel.run_transitions SET fence = 0",
        "DELETE FROM laurel.outbox",
    ],
)
def test_a_worker_without_ownership_may_only_add_to_the_ledger(worker_url: str, change: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        ask(worker_url, change)


async def test_a_worker_whose_role_has_no_right_to_holds_yet_is_held_all_the_same(
    database_url: str, worker_url: str
) -> None:
    """As in a rolling upgrade, before somebody grants again."""
    ask(database_url, f"REVOKE ALL ON laurel.promotion_holds, laurel.quarantines FROM {ROLE}")
    async with on_postgres(database_url, MODEL) as owners, on_postgres(worker_url, MODEL) as stores:
        first = following(None, MODEL, cause=Cause.GATE)
        await stores.ledger.append(first)
        await owners.holds.begin(hold(MODEL), hold_begun(hold(MODEL)))
        with pytest.raises(PromotionBarred):
            await stores.ledger.append(following(first, MODEL, version=2, cause=Cause.GATE))


async def test_a_worker_without_rights_stops_and_says_why(database_url: str, worker_url: str) -> None:
    ask(database_url, f"REVOKE ALL ON laurel.runs FROM {ROLE}")
    async with on_postgres(worker_url, MODEL) as stores:
        with pytest.raises(Stop, match="permission denied for table runs; grant the missing right"):
            await stores.runs.recent(MODEL, 1)
