"""The stores of one database, in memory and on PostgreSQL, and small things to put into them."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from domain.announcement import Announcement
from domain.events import ModelPromoted
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.lifecycle import Outcome
from domain.ports.bars import Holds, Quarantines
from domain.ports.dataset_files import FirstUses
from domain.ports.messages import Outbox
from domain.ports.notices import Notices
from domain.ports.promotion_ledger import AliasWrites, PromotionLedger
from domain.ports.run_store import RunStore
from domain.ports.workers import Workers
from domain.request import ReceivedRequest
from domain.run import Failure, Run
from service.adapters.postgres.alias_writes import PostgresAliasWrites
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.first_uses import PostgresFirstUses
from service.adapters.postgres.holds import PostgresHolds
from service.adapters.postgres.notices import PostgresNotices
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.quarantines import PostgresQuarantines
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.workers import PostgresWorkers
from tests.fakes.alias_writes import FakeAliasWrites
from tests.fakes.bars import FakeHolds, FakeQuarantines
from tests.fakes.first_uses import FakeFirstUses
from tests.fakes.memory import Memory
from tests.fakes.notices import FakeNotices
from tests.fakes.outbox import FakeOutbox
from tests.fakes.promotion_ledger import FakePromotionLedger
from tests.fakes.run_store import FakeRunStore
from tests.fakes.workers import FakeWorkers
from tests.kit.eventually import eventually

LONG = 60.0  # seconds; a lease that does not end within a test
SHORT = 0.15  # a lease or a pause that a test waits out
MLFLOW_AWAY = Failure(reason="mlflow_unavailable", message="MLflow does not answer")
CHILD_DIED = Failure(reason="step_died", message="killed by signal 9", facts={"signal": 9})
WAY_TO_EVALUATED = (
    Outcome.RESOLVED,
    Outcome.SPLIT,
    Outcome.VERSIONED,
    Outcome.TRAINED,
    Outcome.EVALUATED,
)


@dataclass(frozen=True)
class Stores:
    """One process's stores."""

    runs: RunStore
    outbox: Outbox
    ledger: PromotionLedger
    first_uses: FirstUses
    alias_writes: AliasWrites
    notices: Notices
    workers: Workers
    holds: Holds
    quarantines: Quarantines


class OnFakes:
    @pytest.fixture
    def memory(self) -> Memory:
        return Memory()

    @pytest.fixture
    def stores(self, memory: Memory, model: str) -> Stores:
        return in_memory(memory, model)

    @pytest.fixture
    def others(self, memory: Memory, model: str) -> Stores:
        """Another process on the same database."""
        return in_memory(memory, model)


class OnPostgres:
    @pytest.fixture
    async def stores(self, migrated_url: str, model: str) -> AsyncIterator[Stores]:
        async with on_postgres(migrated_url, model) as stores:
            yield stores

    @pytest.fixture
    async def others(self, migrated_url: str, model: str) -> AsyncIterator[Stores]:
        """Another process on the same database."""
        async with on_postgres(migrated_url, model) as stores:
            yield stores


def in_memory(memory: Memory, model: str) -> Stores:
    """The fakes on one memory."""
    return Stores(
        FakeRunStore(memory),
        FakeOutbox(memory, model),
        FakePromotionLedger(memory),
        FakeFirstUses(memory, model),
        FakeAliasWrites(memory),
        FakeNotices(memory, model),
        FakeWorkers(memory),
        FakeHolds(memory, model),
        FakeQuarantines(memory, model),
    )


@asynccontextmanager
async def on_postgres(url: str, model: str) -> AsyncIterator[Stores]:
    """The real stores, as a process of its own would open them."""
    async with open_database(url) as database:
        yield stores_on(database, model)


def stores_on(database: Database, model: str) -> Stores:
    """The real stores of one model."""
    return Stores(
        PostgresRunStore(database),
        PostgresOutbox(database, model),
        PostgresPromotionLedger(database),
        PostgresFirstUses(database, model),
        PostgresAliasWrites(database),
        PostgresNotices(database, model),
        PostgresWorkers(database),
        PostgresHolds(database, model),
        PostgresQuarantines(database, model),
    )


def request(model: str, identity: str | None = None, **payload: object) -> ReceivedRequest:
    """A request that was received."""
    identity = identity or str(uuid.uuid4())
    return ReceivedRequest(
        identity=identity, model_name=model, payload=payload, correlation_id=f"of {identity}"
    )


def announcement(model: str, topic: str = "split.completed", event_id: str | None = None) -> Announcement:
    """An announcement that was made ready."""
    event_id = event_id or str(uuid.uuid4())
    return Announcement(
        event_id=event_id,
        topic=topic,
        key=model,
        headers={"ce_id": event_id, "ce_type": f"laurel.{topic}.v1", "a": "1"},
        body='{"text": "a name with a \\u0000 and an é"}',
    )


def promoted(entry: LedgerEntry) -> Announcement:
    """An announcement of a generation."""
    return announcement(entry.model_name, ModelPromoted.topic, f"{entry.model_name}/{entry.generation}")


def following(head: LedgerEntry | None, model: str, version: int = 1, **facts: object) -> LedgerEntry:
    """The entry that would follow `head`."""
    given = {
        "cause": Cause.ROLLBACK,
        "reasons": ("a reason with a \x00 in it, and an é",),
        "actor": "a test",
        "at": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    }
    return next_entry(model, head, version=version, **{**given, **facts})


async def claimed(stores: Stores, model: str, *, worker: str = "w", lease: float = LONG) -> Run:
    """A run that was added and claimed."""
    await stores.runs.add(request(model))
    return await claim(stores, model, worker=worker, lease=lease)


async def claim(stores: Stores, model: str, *, worker: str = "w", lease: float = LONG) -> Run:
    """Claim a run that is surely there."""
    run = await stores.runs.claim(model, worker, lease)
    assert run is not None
    return run


async def claim_in_time(stores: Stores, model: str) -> Run:
    """Claim a run that will be runnable soon."""
    run = await eventually(lambda: stores.runs.claim(model, "other", LONG))
    assert run is not None
    return run


async def brought_to(stores: Stores, run: Run, *outcomes: Outcome) -> Run:
    """Commit transitions one after another."""
    for outcome in outcomes:
        run = await stores.runs.advance(run, outcome)
    return run
