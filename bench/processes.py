"""The processes of the bench: servers, workers, the bare script, a whole `laurel up`; and their memory."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

import psutil

from bench.flights import Stage
from bench.notes import FILE, NotesReader
from bench.steps.answers import ANSWER
from config.topics import TOPICS
from service.adapters.kafka.connection import KafkaConnection
from service.adapters.kafka.topic_provisioning import ensure_topics
from service.adapters.postgres.database import open_database
from service.adapters.postgres.run_store import PostgresRunStore
from service.adapters.postgres.schema import upgrade
from service.local.servers.ports import free_port
from service.local.servers.process import Command
from service.local.servers.role import EmbeddedRole
from service.local.servers.stack import Addresses, LocalStack, Ports, WorldOptions

_READY_SECONDS: Final = 60.0
_REST_SECONDS: Final = 120.0
_PROJECT: Final = Path(__file__).parents[1]
# The threads that a worker gives its children, for whoever else trains too; and nothing is told to anybody.
TRAINING: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "2",
    "PYTHONPATH": str(_PROJECT),
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}


@contextmanager
def servers(folder: Path) -> Iterator[Addresses]:
    """Kafka, PostgreSQL and MLflow with topics and schema, ended with the block."""
    with LocalStack(folder, WorldOptions(ports=Ports.free())) as world:
        addresses = world.addresses
        connection = KafkaConnection(bootstrap_servers=addresses.bootstrap_servers or "")
        asyncio.run(ensure_topics(connection, TOPICS))
        upgrade(addresses.database_url or "")
        yield addresses


class NotingWorker(EmbeddedRole):
    """A worker of `bench.worker` for one stage."""

    def __init__(self, folder: Path, stage: Stage, addresses: Addresses, model_name: str) -> None:
        port, notes = free_port(), folder / "notes.jsonl"
        self.environment = {
            "CONFIG_ROOT": str(stage.config_root),
            "DATA_ROOT": str(stage.data_root),
            "KAFKA_BOOTSTRAP_SERVERS": addresses.bootstrap_servers or "",
            "DATABASE_URL": addresses.database_url or "",
            "MLFLOW_TRACKING_URI": addresses.tracking_uri or "",
            "MLFLOW_EXPERIMENT": model_name,
            "MLFLOW_MODEL_NAME": model_name,
            "WORKER__ID": model_name,
            "HTTP__WORKER_PORT": str(port),
            FILE: str(notes),
        }
        super().__init__("worker", folder, port, self.environment)
        self.model_name = model_name
        self.stage = stage
        self.notes = NotesReader(notes)

    def up(self) -> float:
        """Start it; return the seconds until it says that it is ready."""
        began = time.monotonic()
        self.start()
        self.wait_ready(_READY_SECONDS)
        return time.monotonic() - began

    async def at_rest(self) -> None:
        """Wait until nothing is left to do for ended runs: nobody may be slowed down by pictures."""
        until = time.monotonic() + _REST_SECONDS
        async with open_database(self.environment["DATABASE_URL"], application="laurel-bench") as database:
            store = PostgresRunStore(database)
            while await store.ended_without(self.model_name, "pictures", 1):
                if time.monotonic() > until:
                    raise SystemExit("the pictures of a run were not drawn")
                await asyncio.sleep(0.05)

    def megabytes(self) -> float:
        """What it holds with its fork parent and children."""
        return tree_megabytes(self.pid or 0)

    def _command(self) -> Command:
        plain = super()._command()
        return Command(
            (sys.executable, "-m", "bench.worker"),
            plain.log,
            environment={**plain.environment, "PYTHONPATH": str(_PROJECT)},
            death_signal=plain.death_signal,
            keep_open=plain.keep_open,
        )


class Answer(NamedTuple):
    """One training by others than Laurel: how long it took, and the error of the model that it promoted."""

    seconds: float
    error: float


class Script:
    """A process that trains (see `bench.steps.answers`) in a stage of its own, warm; a context manager."""

    def __init__(
        self,
        stage: Stage,
        tracking_uri: str,
        name: str,
        *,
        module: str = "bench.bare",
        python: str = sys.executable,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.stage = stage
        self._line = [python, "-m", module, str(stage.folder), tracking_uri, name]
        self._log = stage.folder / f"{module}.log"
        self._environment = {**os.environ, **TRAINING, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = self._start([])
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.stdin:
            self._process.stdin.close()
            self._process.wait()

    def train(self, version: int) -> Answer:
        """Train in the warm process."""
        if self._process is None or self._process.stdin is None:
            raise SystemExit("the script does not run")
        self._process.stdin.write(f"{version}\n")
        self._process.stdin.flush()
        return self._answer(self._process)

    def train_cold(self, version: int) -> Answer:
        """Train in a process of its own; its seconds are those from its start to its end."""
        began = time.monotonic()
        process = self._start([str(version)])
        answer = self._answer(process)
        process.wait()
        return Answer(time.monotonic() - began, answer.error)

    def _start(self, more: list[str]) -> subprocess.Popen[str]:
        with self._log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - the command is ours
                [*self._line, *more],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self._environment,
            )

    def _answer(self, process: subprocess.Popen[str]) -> Answer:
        for line in process.stdout or ():
            if line.startswith(ANSWER):
                seconds, error = line.removeprefix(ANSWER).split()
                return Answer(float(seconds), float(error))
        said = self._log.read_text().strip().splitlines() or ["it said nothing"]
        raise SystemExit(f"{self._line[2]} ended before it had promoted its candidate: {said[-1]}")


@contextmanager
def laurel_up(home: Path) -> Iterator[tuple[float, psutil.Process]]:
    """Everything that `laurel up` starts, in a process of its own; gives the seconds until all is ready."""
    line = [sys.executable, "-m", "bench.up", str(home)]
    began = time.monotonic()
    with (home.parent / "up.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603 - the command is ours
            line,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_PROJECT)},
        )
    try:
        if not process.stdout or process.stdout.readline().strip() != "ready":
            raise SystemExit(f"laurel up did not start; see {home.parent / 'up.log'}")
        yield time.monotonic() - began, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def tree_megabytes(pid: int, *, itself: bool = True) -> float:
    """The proportional set size of a process and all that it started, in MB of 10⁶ bytes."""
    root = psutil.Process(pid)
    processes = [*([root] if itself else []), *root.children(recursive=True)]
    return sum(_proportional_kilobytes(process.pid) for process in processes) * 1024 / 1e6


def tree_cpu_seconds(pid: int) -> dict[str, float]:
    """The CPU seconds of a process and all that it started, by what they are, the most first."""
    spent: dict[str, float] = defaultdict(float)
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            spent[_what(process.cmdline())] += sum(process.cpu_times()[:4])  # with the children it waited for
    return dict(sorted(spent.items(), key=lambda one: -one[1]))


def _what(command: Sequence[str]) -> str:
    line = " ".join(command)
    return next((name for mark, name in _MARKS.items() if mark in line), "laurel up itself")


_MARKS: Final = {
    "kafka": "Kafka",
    "postgres": "PostgreSQL",
    "mlflow_child": "MLflow",
    "fork_server": "fork parent and children",
    " worker": "worker",
    " reload-listener": "reload listener",
    " inference": "inference",
}


def _proportional_kilobytes(pid: int) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0
