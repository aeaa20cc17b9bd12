"""The two kinds of test servers, embedded and in containers, and the one place that chooses between them."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import pytest

from service.local.servers.kafka import EmbeddedKafka
from service.local.servers.postgres import FAST_SETTINGS, EmbeddedPostgres

VARIABLE = "LAUREL_TEST_SERVERS"


class Server(Protocol):
    """A server that a test may stop or kill and start again on the same data and port."""

    def start(self) -> None:
        """Start it."""

    def wait_ready(self, timeout: float = ...) -> None:
        """Return when it answers real requests."""

    def stop(self) -> object:
        """End it in order."""

    def kill(self) -> None:
        """End it as a crash would."""


class Database(Server, Protocol):
    """A PostgreSQL server."""

    def url(self, database: str = ...) -> str:
        """SQLAlchemy URL of a database on it."""


@dataclass(frozen=True)
class Kind:
    """One way to run servers; the functions take a folder and a port."""

    name: str
    why: str
    kafka: Callable[[Path, int], Server]
    postgres: Callable[[Path, int], Database]
    clean_up: Callable[[], None] = lambda: None


@cache
def choose() -> Kind:
    """Containers where a Docker engine answers and has or gets the images, else embedded servers."""
    forced = os.environ.get(VARIABLE, "")
    if forced not in {"", "embedded", "containers"}:
        raise pytest.UsageError(f"{VARIABLE} is {forced!r}; use embedded or containers")
    if forced == "embedded":
        return _embedded(f"{VARIABLE} says so")
    from tests.worlds import containers  # noqa: PLC0415 - the client for Docker takes long to load and is seldom needed

    obstacle = containers.obstacle()
    if forced == "containers":
        if obstacle:
            raise pytest.UsageError(f"{VARIABLE} asks for containers, but {obstacle}")
        return _containers(f"{VARIABLE} says so")
    return _embedded(obstacle) if obstacle else _containers("a Docker engine answers and has the images")


def _embedded(why: str) -> Kind:
    return Kind("embedded", why, EmbeddedKafka, _fast_postgres)


def _fast_postgres(folder: Path, port: int) -> EmbeddedPostgres:
    return EmbeddedPostgres(folder, port, FAST_SETTINGS)


def _containers(why: str) -> Kind:
    from tests.worlds import containers  # noqa: PLC0415 - as above

    return Kind(
        "containers", why, containers.ContainerKafka, containers.ContainerPostgres, containers.remove_all
    )
