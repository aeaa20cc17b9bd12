"""The whole of Laurel on one machine: the real servers, the topics, the schema and the two roles."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from config.settings import Settings, settings_with
from config.topics import TOPICS, requests_group
from domain.errors import Stop
from domain.events import REQUEST_TOPIC
from service.adapters.kafka.group_start import begin_at_end
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.schema import upgrade
from service.adapters.postgres.sessions import require_sessions
from service.lifecycle.settings_values import kafka_connection
from service.local.servers import ports
from service.local.servers.databases import plain_url
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.folder import FolderLock
from service.local.servers.role import EmbeddedRole, inference_replica
from service.local.servers.stack import Addresses, LocalStack, Ports, Progress, WorldOptions

_WORKER, _LISTENER, _INFERENCE, _API = "worker", "reload-listener", "inference", "api"
AWAITS_A_CHAMPION: Final = "runs; serves once there is a champion"
_GRACE_SECONDS: Final = 30
_ENDING_SECONDS: Final = 10.0  # how long a Laurel that was killed may hold its ports


@dataclass(frozen=True)
class LocalOptions:
    """Where things are; an address that is given is used instead of starting that server.

    `environment` is what the roles get beyond the addresses: roots, model name, whatever the user set. A
    `new_model` is one that nobody can have asked for yet: what stands on a broker of others is not for it.
    """

    folder: Path
    environment: Mapping[str, str]
    external: Addresses = field(default_factory=Addresses)
    ports: Ports = field(default_factory=Ports)
    worker_port: int = 18080
    listener_port: int = 18081
    inference_ports: tuple[int, ...] = ()
    api_port: int | None = None  # None: no HTTP API
    new_model: bool = False
    meanwhile: Callable[[], None] | None = None  # called in a thread while the roles start

    def taken_ports(self) -> dict[int, str]:
        """The ports that are needed here, each with who needs it, of which another program holds now."""
        wanted = {self.worker_port: _WORKER, self.listener_port: _LISTENER}
        wanted |= dict.fromkeys(self.inference_ports, _INFERENCE)
        wanted |= {} if self.api_port is None else {self.api_port: _API}
        if not self.external.bootstrap_servers:
            wanted |= {self.ports.kafka: "kafka", self.ports.kafka + 1: "kafka"}
        if not self.external.database_url:
            wanted[self.ports.postgres] = "postgres"
        if not self.external.tracking_uri:
            wanted[self.ports.mlflow] = "mlflow"
        return {port: who for port, who in wanted.items() if not ports.is_free(port)}


class LocalLaurel:
    """Starts everything side by side, and ends it in order; a context manager.

    Raises Stop with a sentence when something cannot start.
    """

    def __init__(self, options: LocalOptions, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._began = time.monotonic()
        world = WorldOptions(
            ports=options.ports,
            external=options.external,
            progress=progress,
            meanwhile=self._start_roles,
        )
        self.world = LocalStack(options.folder, world)
        self.roles: list[EmbeddedRole] = []
        self.replicas: list[EmbeddedRole] = []  # ready when there is a champion, and not before
        self.gateway: EmbeddedRole | None = None  # ready a moment after the others, which do not wait for it

    def __enter__(self) -> Self:
        """Start, and return when both roles are ready."""
        self._began = time.monotonic()
        self._require_nobody()
        self._require_ports()
        try:
            self.world.start()
            self._wait_for_roles()
        except BaseException as error:
            for role in self._processes:
                role.kill()
            self.world.stop()
            if isinstance(error, EmbeddedServerError):
                raise Stop("cannot_start", str(error)) from error
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the roles, side by side, then the servers."""
        try:
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._end, self._processes))
        finally:
            self.world.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs in its environment to work with this Laurel."""
        addresses = self.world.addresses
        urls = [f"http://{ports.LOOPBACK}:{port}" for port in self._options.inference_ports]
        return {
            **self._options.environment,
            **({"INFERENCE_API_URL": json.dumps(urls)} if urls else {}),
            "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers or "",
            "DATABASE_URL": plain_url(addresses.database_url or ""),
            "MLFLOW_TRACKING_URI": addresses.tracking_uri or self._coming_mlflow,
            "HTTP__WORKER_PORT": str(self._options.worker_port),
            "HTTP__LISTENER_PORT": str(self._options.listener_port),
            **({} if self._options.api_port is None else {"API__PORT": str(self._options.api_port)}),
        }

    @property
    def own_addresses(self) -> list[str]:
        """The settings that hold addresses of servers that were started here."""
        external = self._options.external
        started = {
            "KAFKA_BOOTSTRAP_SERVERS": not external.bootstrap_servers,
            "DATABASE_URL": not external.database_url,
            "MLFLOW_TRACKING_URI": not external.tracking_uri,
            "INFERENCE_API_URL": bool(self._options.inference_ports),
        }
        return [name for name, is_own in started.items() if is_own]

    @property
    def settings(self) -> Settings:
        """The settings that a command has in that environment."""
        flat = {name.lower(): value for name, value in self.environment.items() if "__" not in name}
        return settings_with(**flat)

    @property
    def gateway_url(self) -> str:
        """Where the HTTP API answers; only with a port for it."""
        return f"http://{ports.LOOPBACK}:{self._options.api_port}"

    def wait_for_gateway(self) -> None:
        """Return when the HTTP API can accept requests, if there is one. Raises Stop."""
        if self.gateway is None:
            return
        try:
            self.gateway.wait_ready()
        except EmbeddedServerError as error:
            raise Stop("cannot_start", str(error)) from error
        self._say(_API, "ready")

    def ended(self) -> list[str]:
        """Names of what has ended without being asked."""
        return [
            *self.world.ended(),
            *(role.name for role in self._processes if role.has_ended()),
        ]

    @property
    def _processes(self) -> list[EmbeddedRole]:
        return [*self.roles, *self.replicas, *([self.gateway] if self.gateway else [])]

    @property
    def _coming_mlflow(self) -> str:
        return f"http://{ports.LOOPBACK}:{self._options.ports.mlflow}"

    def _require_nobody(self) -> None:
        folder = self._options.folder
        if FolderLock(folder, "world").is_held():
            raise Stop("runs_already", f"Laurel runs in {folder} already; end it, or use another folder")

    def _require_ports(self) -> None:
        """Refuse before anything has started; what is left of a Laurel that was killed is just ending."""
        deadline = time.monotonic() + _ENDING_SECONDS
        while taken := self._options.taken_ports():
            if not self._is_ending(set(taken.values())) or time.monotonic() > deadline:
                named = ", ".join(f"{port} ({who})" for port, who in sorted(taken.items()))
                raise Stop(
                    "port_taken",
                    f"taken by another program on {ports.LOOPBACK}: port {named}; end that program "
                    f"(`ss -ltnp` names it) or choose other ports",
                    ports=sorted(taken),
                )
            time.sleep(0.1)

    def _is_ending(self, names: set[str]) -> bool:
        return any(FolderLock(self._options.folder / name, name).is_held() for name in names)

    def _start_roles(self) -> None:
        self._say("laurel", "preparing topics and schema")
        asyncio.run(self._prepare_kafka())
        asyncio.run(require_sessions(self.settings.sqlalchemy_url))
        upgrade(self.settings.sqlalchemy_url)
        self._say("laurel", "ready")
        places = {_WORKER: self._options.worker_port, _LISTENER: self._options.listener_port}
        for name, port in places.items():
            role = EmbeddedRole(name, self._options.folder / name, port, self.environment)
            self._say(name, "starting")
            self.roles.append(role)
            role.start()
        for number, port in enumerate(self._options.inference_ports, 1):
            replica = inference_replica(self._options.folder / f"inference-{number}", port, self.environment)
            self._say(f"inference-{number}", "starting")
            self.replicas.append(replica)
            replica.start()
        if self._options.meanwhile:
            threading.Thread(target=self._options.meanwhile, daemon=True).start()

    async def _prepare_kafka(self) -> None:
        settings = self.settings
        connection, kafka = kafka_connection(settings), settings.kafka
        await ensure_topics(
            connection, TOPICS, partitions=kafka.partitions, replication=kafka.replication_factor
        )
        if self._options.new_model and self._options.external.bootstrap_servers:
            await begin_at_end(connection, requests_group(settings.mlflow_model_name), REQUEST_TOPIC)

    def _wait_for_roles(self) -> None:
        for role in self.roles:
            role.wait_ready()
            self._say(role.name, "ready")
        for number, _ in enumerate(self.replicas, 1):
            self._say(f"inference-{number}", AWAITS_A_CHAMPION)
        if self._options.api_port is not None:
            folder = self._options.folder / _API
            self.gateway = EmbeddedRole(_API, folder, self._options.api_port, self.environment)
            self._say(_API, "starting")
            self.gateway.start()

    def _end(self, role: EmbeddedRole) -> None:
        self._say(role.name, "stopping")
        role.stop(grace=_GRACE_SECONDS)

    def _say(self, who: str, what: str) -> None:
        self._progress(who, what, time.monotonic() - self._began)
