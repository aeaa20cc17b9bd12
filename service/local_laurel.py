"""The whole of Laurel on one machine: the real servers, the topics, the schema and the two roles."""

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from config.topics import TOPICS
from domain.errors import Stop
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.schema import upgrade
from service.embedded.errors import EmbeddedServerError
from service.embedded.role import EmbeddedRole
from service.embedded.world import Addresses, Ports, Progress, World, WorldOptions

_WORKER, _LISTENER = "worker", "reload-listener"
_ROLE_READY_SECONDS = 60


@dataclass(frozen=True)
class LocalOptions:
    """Where things are; an address that is given is used instead of starting that server.

    `environment` is what the roles get besides the addresses: roots, model name, whatever the user set.
    """

    folder: Path
    environment: Mapping[str, str]
    external: Addresses = field(default_factory=Addresses)
    ports: Ports = field(default_factory=Ports)
    worker_port: int = 18080
    listener_port: int = 18081


class LocalLaurel:
    """Starts everything side by side, and ends it in order; a context manager.

    Raises Stop with a sentence when something cannot start.
    """

    def __init__(self, options: LocalOptions, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        world = WorldOptions(ports=options.ports, external=options.external, progress=progress)
        self.world = World(options.folder, world)
        self.roles: list[EmbeddedRole] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Start, and return when both roles are ready."""
        try:
            self._stack.enter_context(self.world)
            self._prepare()
            self._start_roles()
        except EmbeddedServerError as error:
            self._stack.close()
            raise Stop("cannot_start", str(error)) from error
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the roles, then the servers."""
        self._stack.close()

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs in its environment to work with this Laurel."""
        addresses = self.world.addresses
        return {
            **self._options.environment,
            "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers or "",
            "DATABASE_URL": addresses.database_url or "",
            "MLFLOW_TRACKING_URI": addresses.tracking_uri or "",
            "HTTP__WORKER_PORT": str(self._options.worker_port),
            "HTTP__LISTENER_PORT": str(self._options.listener_port),
        }

    def ended(self) -> list[str]:
        """Names of what has ended without being asked."""
        return [*self.world.ended(), *(role.name for role in self.roles if role.has_ended())]

    def _prepare(self) -> None:
        addresses = self.world.addresses
        self._say("laurel", "preparing topics and schema")
        connection = KafkaConnection(bootstrap_servers=addresses.bootstrap_servers or "")
        asyncio.run(ensure_topics(connection, TOPICS))
        upgrade(addresses.database_url or "")

    def _start_roles(self) -> None:
        places = {_WORKER: self._options.worker_port, _LISTENER: self._options.listener_port}
        for name, port in places.items():
            role = EmbeddedRole(name, self._options.folder / name, port, self.environment)
            self._say(name, "starting")
            role.start()
            self._stack.callback(self._end, role)
            self.roles.append(role)
        for role in self.roles:
            role.wait_ready(_ROLE_READY_SECONDS)
            self._say(role.name, "ready")

    def _end(self, role: EmbeddedRole) -> None:
        self._say(role.name, "stopping")
        role.stop(grace=30)

    def _say(self, who: str, what: str) -> None:
        self._progress(who, what, 0.0)
