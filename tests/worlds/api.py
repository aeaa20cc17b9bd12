"""The HTTP door on the session's servers, and what stands behind it."""

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from config.settings import Settings
from domain.events import REQUEST_TOPIC
from domain.lifecycle import Outcome
from domain.record import Record
from domain.request import Coordinates, ReceivedRequest
from domain.run import Failure, Run
from handlers.training_requested import read_request
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.reading import read_to_the_end
from service.adapters.kafka.requests import ReadEvent, read_events
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.tls.trust import no_trust
from service.gateway.root import open_api
from service.local.servers.ports import free_port
from tests.kit.eventually import eventually
from tests.kit.settings_of import settings_of

TOKEN = "a-token-of-the-tests"  # noqa: S105 - a test's own
OTHER = "another-token-of-the-tests"
USER, PASSWORD = "gateway", "a-password"
LEASE = 30.0


@dataclass
class ApiWorld:
    """One model's door; `bootstrap` may lead through a proxy, `past` never does."""

    folder: Path
    bootstrap: str
    past: str
    database_url: str
    model: str = field(default_factory=lambda: f"door-{uuid.uuid4().hex[:10]}")

    def environment(self, **more: str) -> dict[str, str]:
        """What the door finds in its environment."""
        for name in ("config", "data"):
            (self.folder / name).mkdir(exist_ok=True)
        return {
            "CONFIG_ROOT": str(self.folder / "config"),
            "DATA_ROOT": str(self.folder / "data"),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "DATABASE_URL": self.database_url,
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "MLFLOW_MODEL_NAME": self.model,
            "API__TOKENS": f"tests/ask+operate:{TOKEN},others:{OTHER}",
            "API__BASIC_USER": USER,
            "API__BASIC_PASSWORD": PASSWORD,
            "API__BASIC_ROLES": "ask,operate",
            **more,
        }

    def settings(self, **more: str) -> Settings:
        """The same as settings."""
        return settings_of(self.environment(**more))

    async def in_kafka(self) -> list[ReadEvent]:
        """Every request of this model that Kafka has."""
        connection = KafkaConnection(self.past)
        heard = [event async for event in read_events(connection, [REQUEST_TOPIC])]
        return [event for event in heard if event.key == self.model]


@asynccontextmanager
async def door(world: ApiWorld, **more: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running door, with its token."""
    settings, port = world.settings(**more), free_port()
    async with open_api(settings) as server:
        serving = asyncio.create_task(server.run("127.0.0.1", port))
        base = f"http://127.0.0.1:{port}"
        try:
            async with httpx.AsyncClient(
                base_url=base, headers=bearer(TOKEN), timeout=20, verify=no_trust()
            ) as client:
                await eventually(lambda: _answers(client, serving))
                yield client
        finally:
            server.stop()
            await serving


async def _answers(client: httpx.AsyncClient, serving: "asyncio.Task[None]") -> bool:
    if serving.done():
        serving.result()
    try:
        return (await client.get("/health/live")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def ready(client: httpx.AsyncClient) -> None:
    """Wait until it can take requests in."""

    async def look() -> bool:
        return (await client.get("/health/ready")).status_code == httpx.codes.OK

    await eventually(look)


def bearer(token: str) -> dict[str, str]:
    """A header."""
    return {"Authorization": f"Bearer {token}"}


def basic(user: str, password: str) -> dict[str, str]:
    """A header."""
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


async def stored(store: PostgresRunStore, world: ApiWorld) -> list[Run]:
    """Let what Kafka has be stored as a worker's inbox does it; return the runs, newest first."""
    async for raw in read_to_the_end(KafkaConnection(world.past), [REQUEST_TOPIC]):
        read = read_request(_record(raw), model_name=world.model, max_bytes=262_144)
        if isinstance(read, ReceivedRequest) and raw.key == world.model.encode():
            await store.add(read)
    return list(await store.recent(world.model, 100))


async def rejected(store: PostgresRunStore, world: ApiWorld) -> None:
    """Let a worker take the next request and refuse it."""
    run = await store.claim(world.model, "w", LEASE)
    assert run is not None
    fault = {"code": "unknown_version", "field": "model_version", "message": "models/v99.yaml does not exist"}
    failure = Failure(reason="unknown_version", message=fault["message"], facts={"faults": [fault]})
    await store.advance(run, Outcome.REFUSED, failure=failure)


def _record(raw: Any) -> Record:
    place = Coordinates(
        topic=raw.topic, partition=raw.partition, offset=raw.offset, timestamp_ms=raw.timestamp
    )
    return Record(coordinates=place, key=raw.key, value=raw.value, headers=tuple(raw.headers))
