"""The real servers, and workers beside them, for the bench."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from config.topics import TOPICS
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.schema import upgrade
from service.embedded.ports import free_port
from service.embedded.process import Command
from service.embedded.role import EmbeddedRole
from service.embedded.world import Addresses, Ports, World, WorldOptions
from tests.bench.flights import Stage

_READY_SECONDS: Final = 60.0
_PROJECT: Final = Path(__file__).parents[2]


class NotingWorker(EmbeddedRole):
    """A worker of `tests.bench.worker`, with the notes that it makes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        super().__init__("worker", folder, port, {**environment, "HTTP__WORKER_PORT": str(port)})
        self._notes = folder / "notes.jsonl"
        self._read = 0

    def up(self) -> float:
        """Start it; return the seconds until it says that it is ready."""
        began = time.monotonic()
        self.start()
        self.wait_ready(_READY_SECONDS)
        return time.monotonic() - began

    def notes(self) -> list[tuple[str, str, int, int]]:
        """What was noted since the last look: kind, name, begin and end in nanoseconds."""
        with self._notes.open("rb") as file:
            file.seek(self._read)
            text = file.read()
        self._read += len(text)
        return [tuple(json.loads(line)) for line in text.splitlines()]

    def _command(self) -> Command:
        plain = super()._command()
        return Command(
            (sys.executable, "-m", "tests.bench.worker", str(self._notes)),
            plain.log,
            environment={**plain.environment, "PYTHONPATH": str(_PROJECT)},
            death_signal=plain.death_signal,
            keep_open=plain.keep_open,
        )


def environment_of(stage: Stage, addresses: Addresses, model_name: str) -> dict[str, str]:
    """What a worker of this stage has to find in its environment."""
    return {
        "CONFIG_ROOT": str(stage.config_root),
        "DATA_ROOT": str(stage.data_root),
        "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers or "",
        "DATABASE_URL": addresses.database_url or "",
        "MLFLOW_TRACKING_URI": addresses.tracking_uri or "",
        "MLFLOW_EXPERIMENT": model_name,
        "MLFLOW_MODEL_NAME": model_name,
        "WORKER__ID": model_name,
    }


@contextmanager
def servers(folder: Path) -> Iterator[Addresses]:
    """Kafka, PostgreSQL and MLflow with topics and schema, ended with the block."""
    with World(folder, WorldOptions(ports=Ports.free())) as world:
        addresses = world.addresses
        connection = KafkaConnection(bootstrap_servers=addresses.bootstrap_servers or "")
        asyncio.run(ensure_topics(connection, TOPICS))
        upgrade(addresses.database_url or "")
        yield addresses


def facts(addresses: Addresses) -> dict[str, Any]:
    """Addresses as a plain mapping."""
    return dict(vars(addresses))
