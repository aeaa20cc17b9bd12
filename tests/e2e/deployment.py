"""One deployment of Laurel on the session's servers: roots, database and names of its own, and workers."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from config.settings import Settings
from config.topics import EVENT_TOPICS
from domain.events import REQUEST_TOPIC
from domain.lifecycle import ENDS
from domain.points import NO_POINTS, Points
from domain.run import Run
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.requests import ReadEvent, publish_request, read_events
from service.lifecycle.reading import Reading, open_reading
from service.lifecycle.root import PRODUCT, Makers, open_worker
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole
from service.runtime.metrics import Metrics
from service.runtime.role import Role
from tests.kit.eventually import eventually
from tests.kit.settings_of import settings_of
from tests.worlds.own_requests import begin_here
from tests.worlds.synthetic import SyntheticWorld, write_world

SOURCE = "/tests/e2e"
_WITHIN = 90.0


@dataclass
class Deployment:
    """What one registered model's Laurel is told; `more` are further environment names."""

    world: SyntheticWorld
    bootstrap_servers: str
    database_url: str
    tracking_uri: str
    more: Mapping[str, str] = field(default_factory=dict)
    model: str = field(default_factory=lambda: f"cost-{uuid.uuid4().hex[:10]}")

    @property
    def environment(self) -> dict[str, str]:
        """What a role finds in its environment. Quick pauses: nobody waits for luck here."""
        return {
            "CONFIG_ROOT": str(self.world.config_root),
            "DATA_ROOT": str(self.world.data_root),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "DATABASE_URL": self.database_url,
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "MLFLOW_EXPERIMENT": self.model,
            "MLFLOW_MODEL_NAME": self.model,
            "WORKER__ID": f"worker-{self.model}",
            "WORKER__RETRY_SECONDS": "0.1",
            "WORKER__RETRY_SECONDS_MAX": "0.5",
            "WORKER__RECONCILE_SECONDS": "3600",
            **self.more,
        }

    def settings(self, **more: str) -> Settings:
        """The same as settings; groups are given by their environment names."""
        return settings_of(self.environment | more)

    @property
    def connection(self) -> KafkaConnection:
        """To the broker, past every proxy."""
        return KafkaConnection(self.bootstrap_servers)

    def config(self, name: str) -> Any:
        """The content of a configuration file, such as "splits/v1"."""
        return yaml.safe_load(self.path(name).read_text(encoding="utf-8"))

    def path(self, name: str) -> Path:
        """Where a configuration file is."""
        return self.world.config_root / f"{name}.yaml"

    async def ask(self, payload: Mapping[str, Any], event_id: str | None = None) -> str:
        """Publish a request; return the identity of its run."""
        named = {"model_name": self.model, **payload}
        sent = await publish_request(
            self.connection, REQUEST_TOPIC, named, model_name=self.model, source=SOURCE, event_id=event_id
        )
        return sent.identity

    async def ended(self, identity: str, within: float = _WITHIN) -> Run:
        """The run of a request, when it has ended."""
        async with open_reading(self.settings()) as reading:

            async def look() -> Run | None:
                run = await found(reading, identity)
                return run if run is not None and run.state in ENDS else None

            run = await eventually(look, within=within)
            assert run is not None
            return run

    async def waits(self, identity: str, service: str, within: float = _WITHIN) -> Run:
        """The run of a request, while it waits for a service."""
        async with open_reading(self.settings()) as reading:

            async def look() -> Run | None:
                run = await found(reading, identity)
                return run if run is not None and run.waiting_on == service else None

            run = await eventually(look, within=within)
            assert run is not None
            return run

    async def carried(self, payload: Mapping[str, Any]) -> Run:
        """Ask, and wait for the end."""
        return await self.ended(await self.ask(payload))

    async def events(self, run: Run, ending: str | None = None) -> list[ReadEvent]:
        """What was announced about a run, in order, once the topic `ending` has spoken."""

        async def look() -> list[ReadEvent]:
            heard = [event async for event in read_events(self.connection, EVENT_TOPICS)]
            ours = [event for event in heard if (event.data or {}).get("run_id") == run.run_id]
            topics = {event.coordinates.topic for event in ours}
            return sorted(ours, key=_moment) if ending is None or ending in topics else []

        return await eventually(look, within=_WITHIN)

    async def promotions(self, count: int) -> list[dict[str, Any]]:
        """What `model.promoted` says of this model, in the order of the topic, once it has said so much.

        A worker that ends between an acknowledgement and its note leaves an event to be sent again.
        """

        async def look() -> list[dict[str, Any]]:
            heard = [event async for event in read_events(self.connection, ["model.promoted"])]
            ours = {
                event.attributes["id"]: dict(event.data or {}) for event in heard if event.key == self.model
            }
            return list(ours.values()) if len(ours) >= count else []

        return await eventually(look, within=_WITHIN)


def _moment(event: ReadEvent) -> tuple[int, int]:
    """Broker's time, and the order of the lifecycle within one millisecond."""
    return event.coordinates.timestamp_ms, EVENT_TOPICS.index(event.coordinates.topic)


async def found(reading: Reading, identity: str) -> Run | None:
    """The run of a request, if it is stored."""
    return next(iter(await reading.store.find(identity)), None)


def deploy(folder: Path, bootstrap: str, database_url: str, tracking_uri: str, **more: str) -> Deployment:
    """Write the synthetic world, make the topics, and stand behind what others have asked for."""
    deployment = Deployment(write_world(folder), bootstrap, database_url, tracking_uri, more)
    asyncio.run(begin_here(bootstrap, deployment.model))
    return deployment


def worker_process(deployment: Deployment, folder: Path, **more: str) -> AbstractContextManager[EmbeddedRole]:
    """`laurel worker` as a process, ready; ended in order with the block, if it still lives."""
    return role_process("worker", "HTTP__WORKER_PORT", deployment.environment | more, folder)


@contextmanager
def role_process(
    name: str, port_name: str, environment: Mapping[str, str], folder: Path
) -> Iterator[EmbeddedRole]:
    """Any role as a process, ready on a port of its own, which the variable `port_name` tells it."""
    port = free_port()
    role = EmbeddedRole(name, folder, port, {**environment, port_name: str(port)})
    role.start()
    try:
        role.wait_ready()
        yield role
    finally:
        role.stop(grace=30)


@dataclass
class InProcess:
    """A worker in this process."""

    role: Role
    task: "asyncio.Task[None]"
    metrics: Metrics

    async def stop(self) -> None:
        """End it as SIGTERM does."""
        self.role.stop()
        await self.task


@asynccontextmanager
async def worker_here(
    deployment: Deployment, *, points: Points = NO_POINTS, makers: Makers = PRODUCT, **more: str
) -> AsyncIterator[InProcess]:
    """A worker in this process, ready; ended in order with the block."""
    settings, metrics = deployment.settings(**more), Metrics()
    open_parts = partial(open_worker, settings, metrics, points=points, makers=makers)
    role = Role("worker", open_parts, metrics, grace_seconds=settings.worker.grace_seconds)
    worker = InProcess(role, asyncio.create_task(role.run("127.0.0.1", 0)), metrics)
    ready = asyncio.create_task(role.ready.wait())
    await asyncio.wait({worker.task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    ready.cancel()
    try:
        if worker.task.done():
            worker.task.result()
        yield worker
    finally:
        await worker.stop()


def event_schema(topic: str) -> Any:
    """The JSON Schema of an event, as the repository keeps it."""
    return json.loads((Path("docs/events") / f"{topic}.json").read_text(encoding="utf-8"))
