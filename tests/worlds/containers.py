"""Kafka and PostgreSQL in containers, with the lifecycle of the embedded servers."""

import os
import secrets
import socket
import time
from abc import ABC, abstractmethod
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import docker
import psycopg
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.container import DockerContainer

from service.local.servers import ports
from service.local.servers.databases import connect
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.kafka import BROKER_PROPERTIES, STARTED, known_brokers
from service.local.servers.postgres import FAST_SETTINGS

_KAFKA_IMAGE = "apache/kafka:4.3.0"
_POSTGRES_IMAGE = "postgres:17"
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_ENGINE_SECONDS = 5
_PULL_SECONDS = 300

_made: list[DockerContainer] = []


def obstacle() -> str:
    """Why containers cannot be used here; empty if they can."""
    if not _engine_listens():
        return "no Docker engine answers"
    with closing(docker.from_env(timeout=_PULL_SECONDS)) as client:
        try:
            for image in (_KAFKA_IMAGE, _POSTGRES_IMAGE):
                _get_or_pull(client, image)
        except DockerException:
            return "a Docker engine answers, but the images cannot be had"
    return ""


def _engine_listens() -> bool:
    """A look at the socket itself: Docker's client leaves one open when it finds nobody there."""
    address = urlsplit(os.environ.get("DOCKER_HOST") or _DEFAULT_ENGINE)
    family = socket.AF_UNIX if address.scheme == "unix" else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(_ENGINE_SECONDS)
        target = address.path if address.scheme == "unix" else (address.hostname, address.port)
        return probe.connect_ex(target) == 0


def _get_or_pull(client: docker.DockerClient, image: str) -> None:
    try:
        client.images.get(image)
    except ImageNotFound:
        client.images.pull(image)


def remove_all() -> None:
    """Remove every container that was made here, with its data."""
    while _made:
        _made.pop().stop()


class _ContainerServer(ABC):
    """A container bound to a fixed port on loopback, so that it keeps its address over restarts."""

    def __init__(self, container: DockerContainer, inner_port: int, port: int) -> None:
        self._container = container
        self._container.ports[f"{inner_port}/tcp"] = (ports.LOOPBACK, port)
        self._starts = 0
        self.port = port

    def start(self) -> None:
        """Make the container, or start it again on its data."""
        if self._starts:
            self._container.get_wrapped_container().start()
        else:
            _made.append(self._container)
            self._container.start()
        self._starts += 1

    def wait_ready(self, timeout: float = 180) -> None:
        """Return when it answers real requests."""
        deadline = time.monotonic() + timeout
        while not self._answers():
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"a container did not answer in {timeout:g} s:\n{self._logs()[-4000:]}"
                )
            time.sleep(0.05)

    def stop(self) -> None:
        """End it in order; its data stay until the end of the session."""
        if self._starts:
            self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._container.get_wrapped_container().kill()

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a real request is answered now."""

    def _logs(self) -> str:
        text: bytes = self._container.get_wrapped_container().logs()
        return text.decode(errors="replace")


class ContainerKafka(_ContainerServer):
    """The broker's official image with the embedded broker's settings."""

    def __init__(self, _folder: Path, port: int) -> None:
        super().__init__(DockerContainer(_KAFKA_IMAGE, env=_kafka_environment(port)), 9092, port)

    def _answers(self) -> bool:
        return self._logs().count(STARTED) == self._starts and known_brokers(self.port) > 0


class ContainerPostgres(_ContainerServer):
    """PostgreSQL's official image."""

    def __init__(self, _folder: Path, port: int) -> None:
        self._password = secrets.token_hex(16)
        settings = [part for name, value in FAST_SETTINGS.items() for part in ("-c", f"{name}={value}")]
        environment = {"POSTGRES_USER": "laurel", "POSTGRES_PASSWORD": self._password}
        container = DockerContainer(_POSTGRES_IMAGE, env=environment, command=["postgres", *settings])
        super().__init__(container, 5432, port)

    def url(self, database: str = "laurel") -> str:
        """SQLAlchemy URL of ``database``."""
        return f"postgresql+psycopg://laurel:{self._password}@{ports.LOOPBACK}:{self.port}/{database}"

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError), connect(self.url("postgres")) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
        return False


def _kafka_environment(port: int) -> dict[str, str]:
    """A listener for us, and one by which the broker reaches itself (with transaction markers)."""
    properties = {
        **BROKER_PROPERTIES,
        "controller.quorum.voters": "1@localhost:9093",
        "listeners": "PLAINTEXT://:9092,INTERNAL://localhost:9094,CONTROLLER://localhost:9093",
        "advertised.listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port},INTERNAL://localhost:9094",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
    }
    return {f"KAFKA_{name.replace('.', '_').upper()}": value for name, value in properties.items()}
