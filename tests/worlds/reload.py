"""One model's ledger on the real servers, its relay, and reload listeners that follow it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from config.settings import Settings
from config.topics import EVENT_TOPICS
from domain.announcement import Announcement, announcement_of
from domain.ledger import Cause, LedgerEntry, next_entry
from domain.points import NO_POINTS, Points
from service.adapters.http.bounded import Resolve, system_addresses
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.publisher import KafkaPublisher
from service.adapters.kafka.requests import ReadEvent, read_events
from service.adapters.postgres.database import Database, open_database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.messaging.relay import OutboxRelay
from service.rollout.convergence_status import ConvergenceStatus, read_status
from service.rollout.replica_clients import open_servers
from service.rollout.root import open_listener
from service.runtime.clock import SystemClock
from service.runtime.metrics import Metrics
from service.runtime.role import Role
from tests.kit.eventually import eventually
from tests.kit.settings_of import settings_of
from tests.worlds.stand_in_server import TOKEN


@dataclass
class Listener:
    """A reload listener in this process."""

    role: Role
    task: "asyncio.Task[None]"
    metrics: Metrics

    def figures(self) -> str:
        """Its metrics."""
        return self.metrics.render().decode()


@dataclass
class ReloadWorld:
    """What happens to one model; `urls` are its inference servers, `more` further environment names."""

    folder: Path
    bootstrap: str
    url: str
    database: Database
    publisher: KafkaPublisher
    more: dict[str, str] = field(default_factory=dict)
    model: str = field(default_factory=lambda: f"price-{uuid.uuid4().hex[:10]}")
    resolve: Resolve = system_addresses

    def __post_init__(self) -> None:
        self.ledger = PostgresPromotionLedger(self.database)
        self.outbox = PostgresOutbox(self.database, self.model)

    @property
    def environment(self) -> dict[str, str]:
        """What a listener finds in its environment."""
        return {
            "CONFIG_ROOT": str(self.folder),
            "DATA_ROOT": str(self.folder),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DATABASE_URL": self.url,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "MLFLOW_MODEL_NAME": self.model,
            "INFERENCE_INTERNAL_TOKEN": TOKEN,
            "RELOAD__POLL_SECONDS": "0.3",
            "RELOAD__TRY_SECONDS": "4",
            "RELOAD__TRIES": "2",
            **self.more,
        }

    def serve_from(self, urls: Iterable[str], **more: str) -> None:
        """Configure the inference servers, and what else is to be known."""
        self.more |= {"INFERENCE_API_URL": json.dumps(list(urls)), **more}

    def settings(self, **more: str) -> Settings:
        """The same as settings."""
        return settings_of(self.environment | more)

    async def promote(self, version: int, *, announced: bool = True) -> LedgerEntry:
        """Make a version champion, as a person does who moves the alias."""
        head = await self.ledger.head(self.model)
        entry = next_entry(
            self.model,
            head,
            version=version,
            cause=Cause.OVERRIDE if head else Cause.ADOPTED,
            reasons=("by hand",),
            actor="tests",
            at=datetime.now(UTC),
        )
        await self.ledger.append(entry)
        if announced:
            await self.announce(entry)
        return entry

    async def announce(self, entry: LedgerEntry) -> None:
        """Put a generation into the outbox."""
        await self.ledger.announce(entry, announcement_of(entry, await self.ledger.identity()))

    async def publish(self, announcement: Announcement) -> None:
        """Send one past the outbox."""
        await self.publisher.publish(announcement)

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[None]:
        """A worker's relay."""
        outbox = PostgresOutbox(self.database, self.model)
        relay = OutboxRelay(outbox, self.publisher, metrics=Metrics(), clock=SystemClock())
        task = asyncio.create_task(relay.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            await outbox.close()

    @asynccontextmanager
    async def listener(self, *, points: Points = NO_POINTS, **more: str) -> AsyncIterator[Listener]:
        """A listener, ready."""
        settings, metrics = self.settings(**more), Metrics()
        opened = partial(open_listener, settings, metrics, points=points, resolve=self.resolve)
        role = Role("reload-listener", opened, metrics, grace_seconds=5)
        task = asyncio.create_task(role.run("127.0.0.1", 0))
        try:
            await asyncio.wait_for(role.ready.wait(), 30)
            yield Listener(role, task, metrics)
        finally:
            role.stop()
            await task

    async def status(self) -> ConvergenceStatus:
        """What `laurel status` says."""
        async with open_servers(self.settings(), resolve=self.resolve) as servers:
            return await read_status(self.ledger, self.outbox, servers, self.model)

    async def converged(self, within: float = 90.0) -> ConvergenceStatus:
        """The status, once all serve the head."""

        async def look() -> ConvergenceStatus | None:
            status = await self.status()
            return status if status.converged else None

        status = await eventually(look, within=within)
        assert status is not None
        return status

    async def events(self, topic: str) -> list[ReadEvent]:
        """What Kafka holds of this model's events of one topic."""
        connection = KafkaConnection(self.bootstrap)
        return [event async for event in read_events(connection, [topic]) if event.key == self.model]

    async def told(self, topic: str, count: int, *, generation: int | None = None) -> list[dict[str, Any]]:
        """The same as data, once there are so many, of all generations or of one."""

        async def look() -> Sequence[dict[str, Any]]:
            facts = [dict(event.data or {}) for event in await self.events(topic)]
            found = [fact for fact in facts if generation in {None, fact["generation"]}]
            return found if len(found) >= count else ()

        return list(await eventually(look, within=20.0))


@asynccontextmanager
async def open_world(
    folder: Path, bootstrap: str, database_url: str, **facts: Any
) -> AsyncIterator[ReloadWorld]:
    """Open one on servers whose topics and schema are there."""
    connection = KafkaConnection(bootstrap)
    publisher = KafkaPublisher(connection, metrics=Metrics(), max_event_bytes=900_000)
    await publisher.start(EVENT_TOPICS)
    try:
        async with open_database(database_url.replace("postgresql://", "postgresql+psycopg://")) as database:
            yield ReloadWorld(folder, bootstrap, database_url, database, publisher, **facts)
    finally:
        await publisher.stop()
