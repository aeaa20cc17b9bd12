"""All three servers side by side, each unless an address of one that runs elsewhere is given."""

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from service.local.servers import ports
from service.local.servers.databases import create_database, database_url
from service.local.servers.errors import EmbeddedServerError
from service.local.servers.folder import FolderLock
from service.local.servers.kafka import EmbeddedKafka
from service.local.servers.mlflow import EmbeddedMlflow
from service.local.servers.postgres import EmbeddedPostgres
from service.local.servers.server import EmbeddedServer

_ADDRESSES_FILE = "addresses.json"
_DATABASE = "laurel"
_MLFLOW_DATABASE = "mlflow"

Progress = Callable[[str, str, float], None]  # server, what it is doing, seconds since the start of the world


def _silent(_server: str, _phase: str, _seconds: float) -> None:
    """Progress for those who do not look."""


def _nothing() -> None:
    """For those who wait for the whole world."""


@dataclass(frozen=True)
class Addresses:
    """Where the three servers are; as ``external``, None stands for one to be started here."""

    bootstrap_servers: str | None = None
    database_url: str | None = None
    tracking_uri: str | None = None


@dataclass(frozen=True)
class Ports:
    """Which ports the embedded servers take; Kafka takes the one after its own, too."""

    kafka: int = 19092
    postgres: int = 15432
    mlflow: int = 15000

    @classmethod
    def free(cls) -> "Ports":
        """Free ones, for tests."""
        first = ports.free_port(4)
        return cls(kafka=first, postgres=first + 2, mlflow=first + 3)


@dataclass(frozen=True)
class WorldOptions:
    """``external`` servers are used, not started. ``postgres`` and ``kafka`` are settings on top of ours.

    ``meanwhile`` is called when Kafka and PostgreSQL are ready: MLflow takes seconds longer to load.
    """

    ports: Ports = field(default_factory=Ports)
    external: Addresses = field(default_factory=Addresses)
    postgres: Mapping[str, str] = field(default_factory=dict)
    kafka: Mapping[str, str] = field(default_factory=dict)
    progress: Progress = _silent
    meanwhile: Callable[[], None] = _nothing


class LocalStack:
    """Kafka, PostgreSQL and MLflow with all their data in ``folder``; a context manager.

    MLflow has a database of its own beside ours, made on the external PostgreSQL when one is given.
    """

    def __init__(self, folder: Path, options: WorldOptions | None = None) -> None:
        self.folder = folder.absolute()
        self._options = options or WorldOptions()
        self._began = time.monotonic()
        external = self._options.external
        self.kafka = None if external.bootstrap_servers else self._new_kafka()
        self.postgres = None if external.database_url else self._new_postgres()
        self.mlflow: EmbeddedMlflow | None = None
        self._lock = _world_lock(self.folder)
        self._given_up = threading.Event()

    def start(self) -> Self:
        """Start what is needed, side by side, and wait until all of it is ready.

        Raises:
            EmbeddedServerError: one cannot start; those that could have been ended again.
        """
        self._began = time.monotonic()
        self._close_to_others()
        self._lock.acquire(timeout=1)
        self._given_up.clear()
        jobs = [_in_background(self._start_kafka), _in_background(self._start_databases)]
        try:
            _finish(jobs)
            self._options.meanwhile()
            self._wait_for_mlflow()
        except BaseException as error:
            self._given_up.set()
            self.kill()
            if isinstance(error, Exception):  # on Ctrl-C nobody waits for what cannot be hurried
                wait(jobs)
            raise
        self._write_addresses()
        return self

    def stop(self) -> None:
        """Stop all that was started, those first that use the others."""
        self._addresses_file.unlink(missing_ok=True)
        for server in self._servers():
            if server.pid is not None:
                self._say(server.name, "stopping")
            server.stop()
        self._lock.release()

    def kill(self) -> None:
        """End all that was started by SIGKILL."""
        self._addresses_file.unlink(missing_ok=True)
        for server in self._servers():
            server.kill()
        self._lock.release()

    def ended(self) -> list[str]:
        """Names of the servers that were started and have ended by themselves."""
        return [server.name for server in self._servers() if server.has_ended()]

    @property
    def addresses(self) -> Addresses:
        """Where everything is, embedded or external."""
        external = self._options.external
        return Addresses(
            self.kafka.bootstrap_servers if self.kafka else external.bootstrap_servers,
            self.postgres.url() if self.postgres else external.database_url,
            self.mlflow.tracking_uri if self.mlflow else external.tracking_uri,
        )

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _close_to_others(self) -> None:
        """The data and the passwords of the world are below: they are its owner's alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(PermissionError):  # another user's, who let us in
            self.folder.chmod(0o700)

    def _servers(self) -> list[EmbeddedServer]:
        return [server for server in (self.mlflow, self.kafka, self.postgres) if server is not None]

    def _new_kafka(self) -> EmbeddedKafka:
        say = partial(self._say, EmbeddedKafka.name)
        return EmbeddedKafka(self.folder / "kafka", self._options.ports.kafka, self._options.kafka, say=say)

    def _new_postgres(self) -> EmbeddedPostgres:
        return EmbeddedPostgres(
            self.folder / "postgres", self._options.ports.postgres, self._options.postgres
        )

    def _start_kafka(self) -> None:
        if self.kafka:
            self._start(self.kafka)
            self._wait(self.kafka)

    def _start_databases(self) -> None:
        """MLflow starts with PostgreSQL, not after it: what it loads takes longer than all the rest."""
        if self.postgres:
            self._start(self.postgres)
        url = self.addresses.database_url or ""
        if not self._options.external.tracking_uri:
            self.mlflow = self._new_mlflow(url)
            self._start(self.mlflow)
        if self.postgres:
            self._wait(self.postgres)
            self.postgres.create_database(_DATABASE)
        if self.mlflow:
            create_database(url, _MLFLOW_DATABASE)

    def _wait_for_mlflow(self) -> None:
        if self.mlflow:
            self._wait(self.mlflow)

    def _new_mlflow(self, url: str) -> EmbeddedMlflow:
        own = database_url(url, _MLFLOW_DATABASE)
        return EmbeddedMlflow(self.folder / "mlflow", self._options.ports.mlflow, own)

    def _start(self, server: EmbeddedServer) -> None:
        self._say(server.name, "starting")
        server.start()
        if self._given_up.is_set():
            server.kill()
            raise EmbeddedServerError(f"{server.name} was ended, since another server could not start")

    def _wait(self, server: EmbeddedServer) -> None:
        server.wait_ready()
        self._say(server.name, "ready")

    def _say(self, server: str, phase: str) -> None:
        self._options.progress(server, phase, time.monotonic() - self._began)

    @property
    def _addresses_file(self) -> Path:
        return self.folder / _ADDRESSES_FILE

    def _write_addresses(self) -> None:
        """For other programs of the same user; it holds the database's password."""
        descriptor = os.open(self._addresses_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self.addresses), file, indent=2)


def read_addresses(folder: Path) -> Addresses | None:
    """Where the world that runs in ``folder`` is; None when none runs there or it is not ready."""
    if not _world_lock(folder).is_held():
        return None
    try:
        return Addresses(**json.loads((folder / _ADDRESSES_FILE).read_text()))
    except FileNotFoundError:
        return None


def _world_lock(folder: Path) -> FolderLock:
    return FolderLock(folder, "world")


def _in_background(work: Callable[[], None]) -> Future[None]:
    """Run ``work`` in a daemon thread, which does not hold up the end of the program."""
    done: Future[None] = Future()

    def call() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - handed to the one who waits
            done.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return done


def _finish(jobs: list[Future[None]]) -> None:
    """Wait for all of them, and raise as soon as one has failed."""
    for job in wait(jobs, return_when=FIRST_EXCEPTION).done:
        job.result()
