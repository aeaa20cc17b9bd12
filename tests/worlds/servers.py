"""Real Kafka, PostgreSQL and MLflow for the tests: once per session, on demand, side by side.

They run in containers where a Docker engine answers, else embedded from wheels (see ``server_kinds``). Tests
ask for ``kafka_server``, ``postgres_server``, ``mlflow_server``, or ``database_url``: a database of their own
with our schema.
"""

import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from psycopg import sql
from sqlalchemy import make_url

from service.adapters.postgres.schema import upgrade
from service.local.servers.databases import connect, create_database, drop_database
from service.local.servers.databases import database_url as database_url_of
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.mlflow import EmbeddedMlflow
from service.local.servers.stack import Ports
from tests.worlds.server_kinds import Kind, Server, choose

_FIXTURES = frozenset({"kafka_server", "postgres_server", "mlflow_server"})
_wanted = pytest.StashKey[frozenset[str]]()
_askers = pytest.StashKey[frozenset[Path]]()
_running = pytest.StashKey["Fleet"]()

Outcome = TypeVar("Outcome")
AnyServer = TypeVar("AnyServer", bound=Server)


@dataclass(frozen=True)
class KafkaServer:
    """A broker: three partitions by default, no automatic topics, groups assign without delay."""

    bootstrap_servers: str
    server: Server


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL; ``url`` is that of its database ``postgres``."""

    url: str
    server: Server

    def create_database(self, name: str) -> str:
        """Create a database unless it is there; returns its SQLAlchemy URL."""
        return create_database(self.url, name)

    def copy_database(self, template: str, name: str) -> str:
        """Create a database as a copy of one that nobody uses; returns its SQLAlchemy URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        with connect(self.url) as connection:
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return database_url_of(self.url, name)

    def drop_database(self, name: str) -> None:
        """Drop a database, cutting off whoever uses it."""
        drop_database(self.url, name)


@dataclass(frozen=True)
class MlflowServer:
    """An MLflow tracking server with a database of its own on that PostgreSQL."""

    tracking_uri: str
    server: Server
    artifacts: Path
    """The folder in which it keeps artifacts: who puts files there by hand saves an upload each."""


def make_logins_quick(url: str) -> None:
    """Let the password be hashed once and not 4096 times, which costs a client 6 ms for each connection."""
    with connect(url) as connection:
        connection.execute("SET scram_iterations = 1")
        password = sql.Literal(make_url(url).password)
        connection.execute(sql.SQL("ALTER ROLE CURRENT_USER PASSWORD {}").format(password))


class Fleet:
    """The session's servers; ``wanted`` are begun side by side at once, others when they are asked for."""

    def __init__(self, kind: Kind, folder: Path, wanted: Iterable[str]) -> None:
        self._kind = kind
        self._folder = folder
        self._ports = Ports.free()
        self._running: list[Server] = []
        self._resting: list[Server] = []
        self._lock = threading.Lock()
        self._builders: dict[str, Callable[[], object]] = {
            "kafka_server": self._kafka,
            "postgres_server": self._postgres,
            "mlflow_server": self._mlflow,
        }
        self._coming: dict[str, Future[object]] = {}
        for name in wanted:
            self._begin(name)

    def kafka(self) -> KafkaServer:
        """The broker, when it is ready."""
        return self._result("kafka_server", KafkaServer)

    def postgres(self) -> PostgresServer:
        """The database server, when it is ready."""
        return self._result("postgres_server", PostgresServer)

    def mlflow(self) -> MlflowServer:
        """The tracking server, when it is ready."""
        return self._result("mlflow_server", MlflowServer)

    def stop(self) -> None:
        """Stop everything, those first that started last."""
        self.rest()
        self._kind.clean_up()

    def rest(self) -> None:
        """Stop them until somebody asks again."""
        wait(self._coming.values())
        while self._running:
            self._resting.append(self._running.pop())
            self._resting[-1].stop()

    def go_on(self) -> None:
        """Start those that rest, on their data and ports."""
        while self._resting:
            self._up(self._resting.pop())

    def _begin(self, name: str) -> Future[object]:
        with self._lock:
            if name not in self._coming:
                self._coming[name] = _in_background(self._builders[name])
            return self._coming[name]

    def _result(self, name: str, kind: type[Outcome]) -> Outcome:
        try:
            result = self._begin(name).result()
        except EmbeddedServerError as error:
            if "PYTEST_XDIST_WORKER" in os.environ:
                raise
            pytest.exit(f"{name} cannot start, so no test can run: {error}", returncode=1)
        assert isinstance(result, kind)
        return result

    def _up(self, server: AnyServer) -> AnyServer:
        self._running.append(server)
        server.start()
        server.wait_ready()
        return server

    def _kafka(self) -> KafkaServer:
        server = self._up(self._kind.kafka(self._folder / "kafka", self._ports.kafka))
        return KafkaServer(f"127.0.0.1:{self._ports.kafka}", server)

    def _postgres(self) -> PostgresServer:
        server = self._up(self._kind.postgres(self._folder / "postgres", self._ports.postgres))
        make_logins_quick(server.url("postgres"))
        return PostgresServer(server.url("postgres"), server)

    def _mlflow(self) -> MlflowServer:
        """Embedded in either case: the project's own image has to be built before it can be used."""
        database = self.postgres().create_database("mlflow")
        server = self._up(EmbeddedMlflow(self._folder / "mlflow", self._ports.mlflow, database))
        return MlflowServer(server.tracking_uri, server, server.folder / "artifacts")


def _in_background(build: Callable[[], object]) -> Future[object]:
    done: Future[object] = Future()

    def call() -> None:
        try:
            done.set_result(build())
        except BaseException as error:  # noqa: BLE001 - raised in the tests that ask for the server
            done.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return done


def pytest_report_header() -> str:
    """Say which servers the tests use, and why."""
    kind = choose()
    return f"servers: {kind.name} ({kind.why})"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that ask for servers: no server is needed when the others come."""
    askers = frozenset(item.path for item in items if _FIXTURES & set(getattr(item, "fixturenames", ())))
    config.stash[_askers] = askers
    items.sort(key=lambda item: item.path not in askers)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let servers rest while no test asks for them: idle ones take the processors' time from the others."""
    fleet = item.config.stash.get(_running, None)
    if fleet is None:
        return
    if item.path in item.config.stash[_askers]:
        fleet.go_on()
    else:
        fleet.rest()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which servers this run's tests will ask for."""
    asked = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    session.config.stash[_wanted] = _FIXTURES & asked


@pytest.fixture(scope="session")
def _fleet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    wanted = request.config.stash[_wanted]
    fleet = Fleet(choose(), tmp_path_factory.mktemp("servers"), wanted)
    request.config.stash[_running] = fleet
    yield fleet
    fleet.stop()


@pytest.fixture(scope="session")
def kafka_server(_fleet: Fleet) -> KafkaServer:
    """The session's broker."""
    return _fleet.kafka()


@pytest.fixture(scope="session")
def postgres_server(_fleet: Fleet) -> PostgresServer:
    """The session's PostgreSQL."""
    return _fleet.postgres()


@pytest.fixture(scope="session")
def mlflow_server(_fleet: Fleet) -> MlflowServer:
    """The session's MLflow."""
    return _fleet.mlflow()


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for one test."""
    name = _a_name()
    yield postgres_server.create_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def database_url(postgres_server: PostgresServer, schema_template: str) -> Iterator[str]:
    """A database with our schema for one test: a copy costs a fifth of making the schema again."""
    name = _a_name()
    yield postgres_server.copy_database(schema_template, name)
    postgres_server.drop_database(name)


@pytest.fixture(scope="session")
def schema_template(postgres_server: PostgresServer) -> str:
    """The name of a database with our schema, which nobody uses."""
    name = _a_name()
    upgrade(postgres_server.create_database(name))
    return name


@pytest.fixture(scope="session")
def migrated_url(postgres_server: PostgresServer, schema_template: str) -> str:
    """A database with our schema, for all tests that keep to a model of their own."""
    return postgres_server.copy_database(schema_template, _a_name())


def _a_name() -> str:
    return f"test_{uuid.uuid4().hex}"
