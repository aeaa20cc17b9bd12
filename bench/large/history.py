"""With a million ended runs in the tables, beside a store with none: `python -m bench.large.history`.

Two databases of one server, alike but for the runs, are asked in turn, so that noise hits both. It takes
some minutes, most of them for the rows; `--runs 100000` is quicker.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx
import psycopg

from bench.figures import machine
from bench.flights import Stage, read_flights, stage_of
from bench.large.history_rows import add_runs
from bench.processes import NotingWorker, servers
from bench.wire import open_wire
from domain.lifecycle import Outcome
from domain.request import ReceivedRequest
from service.adapters.postgres.database import open_database
from service.adapters.postgres.run_store import PostgresRunStore
from service.local.servers.databases import connect, database_url, plain_url
from service.local.servers.ports import free_port
from service.local.servers.role import EmbeddedRole
from service.local.servers.stack import Addresses

RUNS: Final = 1_000_000
_MODEL: Final = "history"
_CLAIMED: Final = "claims"  # a model of its own, which no list shows
_ROWS: Final = 2000  # of the master: nothing here is about training
_CLAIMS, _TRIES, _STARTS, _LOOKS = 200, 5, 3, 15
_TIMES_EMPTY: Final = 1.5
_FIRST_MS, _DEEP_MS = 60.0, 300.0
_TOKEN, _USER, _PASSWORD = "a-token-of-the-bench", "bench", "a-password-of-the-bench"
_COMMANDS: Final = ("runs", "runs --state failed", "show {run}", "history", "champion")
_OWN: Final = "/training-requests?limit=20"  # as many as it shows unless asked
_DAG: Final = "/api/v1/dags/~/dagRuns?limit=100"


@dataclass(frozen=True)
class Line:
    """One figure of both stores; `goal` is a multiple of the empty one's, or milliseconds."""

    name: str
    unit: str
    empty: float
    full: float
    goal: str

    @property
    def ratio(self) -> float:
        """How many times as long it takes."""
        return self.full / self.empty


@dataclass(frozen=True)
class Store:
    """One of the two databases, as roles and commands are told of it."""

    url: str
    environment: Mapping[str, str]
    run: str  # one that its lists show


def measure(folder: Path, runs: int = RUNS) -> list[Line]:
    """Fill one of two stores and ask both."""
    stage = stage_of(folder / "stage", read_flights(), _ROWS)
    stage.set_up()
    with servers(folder / "servers") as addresses:
        worker = NotingWorker(folder / "worker", stage, addresses, _MODEL)
        like = asyncio.run(_two_runs(worker, addresses))
        _say(f"{runs:,} runs")
        full = _filled(addresses.database_url or "", runs, like)
        empty, filled = (
            Store(url, {**worker.environment, "DATABASE_URL": url}, like)
            for url in (addresses.database_url or "", full)
        )
        return [
            *asyncio.run(_claims(empty, filled)),
            *_commands(empty, filled),
            *_starts(folder, stage, addresses, empty, filled),
            *_pages(folder, empty, filled, runs),
        ]


async def _two_runs(worker: NotingWorker, addresses: Addresses) -> str:
    """Carry a promotion and a run that is declined, as both stores have them; give the second one's id."""
    await asyncio.to_thread(worker.up)
    async with open_wire(addresses.bootstrap_servers or "") as wire:
        heard = [await wire.ask(worker.model_name, 1) for _ in range(2)]
    await worker.at_rest()
    await asyncio.to_thread(worker.stop)
    return str(heard[-1].data["run_id"])


def _filled(url: str, runs: int, like: str) -> str:
    with connect(database_url(url, "postgres")) as connection:
        connection.execute("CREATE DATABASE full_history TEMPLATE laurel")
    full = database_url(url, "full_history")
    with psycopg.connect(plain_url(full), autocommit=True) as connection:
        add_runs(connection, runs, like)
    return full


async def _claims(empty: Store, full: Store) -> Iterator[Line]:
    took: dict[str, list[list[float]]] = {"claim a run": [[], []], "store, claim and end a run": [[], []]}
    async with open_database(empty.url) as one, open_database(full.url) as other:
        stores = [PostgresRunStore(one), PostgresRunStore(other)]
        for number in range(_CLAIMS):
            for place, store in enumerate(stores):
                asked = ReceivedRequest(
                    identity=f"claim {number}", model_name=_CLAIMED, payload={}, correlation_id="bench"
                )
                began = time.perf_counter()
                await store.add(asked)
                before = time.perf_counter()
                run = await store.claim(_CLAIMED, "bench", 60.0)
                claimed = time.perf_counter()
                if run is None:
                    raise SystemExit("a run that was stored could not be claimed")
                await store.advance(run, Outcome.REFUSED)
                took["claim a run"][place].append(claimed - before)
                took["store, claim and end a run"][place].append(time.perf_counter() - began)
    return (_times(name, "ms", 1e3, *both) for name, both in took.items())


def _times(name: str, unit: str, factor: float, empty: Sequence[float], full: Sequence[float]) -> Line:
    return Line(name, unit, median(empty) * factor, median(full) * factor, f"≤ {_TIMES_EMPTY} times")


def _commands(empty: Store, full: Store) -> Iterator[Line]:
    for command in _COMMANDS:
        took: list[list[float]] = [[], []]
        for _ in range(_TRIES):
            for place, store in enumerate((empty, full)):
                took[place].append(_seconds(command.format(run=store.run), store))
        yield _times(f"`laurel {command.split(' {')[0]}`", "s", 1.0, *took)


def _seconds(command: str, store: Store) -> float:
    began = time.perf_counter()
    ended = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "service.cli", *command.split()],
        env={**os.environ, **store.environment},
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"laurel {command} ended with {ended.returncode}: {ended.stderr.decode()}")
    return time.perf_counter() - began


def _starts(folder: Path, stage: Stage, addresses: Addresses, empty: Store, full: Store) -> Iterator[Line]:
    took: list[list[float]] = [[], []]
    for number in range(_STARTS):
        for place, store in enumerate((empty, full)):
            where = folder / f"start-{place}-{number}"
            worker = NotingWorker(where, stage, addresses, _MODEL)
            worker.environment |= {**store.environment, "HTTP__WORKER_PORT": str(worker.port)}
            took[place].append(worker.up())
            worker.stop()
    yield _times("a worker's start", "s", 1.0, *took)


def _pages(folder: Path, empty: Store, full: Store, runs: int) -> Iterator[Line]:
    half, end = f"&offset={runs // 2}", f"&offset={runs - 200}"
    pages = {
        "own list, first page": (_OWN, _FIRST_MS),
        "own list, failed ones": (f"{_OWN}&state=FAILED", _FIRST_MS),
        "DAG list, first page": (_DAG, _FIRST_MS),
        "DAG list, newest first": (f"{_DAG}&order_by=-start_date", _FIRST_MS),
        "DAG list, rejected or failed": (f"{_DAG}&state=failed", _FIRST_MS),
        "DAG list, ended within the last day": (f"{_DAG}&end_date_gte={_yesterday()}", _FIRST_MS),
        "own list in its middle": (f"{_OWN}{half}", _DEEP_MS),
        "DAG list in its middle": (f"{_DAG}{half}", _DEEP_MS),
        "DAG list, last page": (f"{_DAG}{end}", _DEEP_MS),
        "DAG list, declined ones in their middle": (f"{_DAG}&state=success&offset={runs // 2}", _DEEP_MS),
        "own list by Kafka, in its middle": (f"{_OWN}&door=kafka&offset={runs // 3}", _DEEP_MS),
    }
    with ExitStack() as stack:
        clients = [
            stack.enter_context(_api(folder / f"api-{place}", store))
            for place, store in enumerate((empty, full))
        ]
        for name, (page, goal) in pages.items():
            took: list[list[float]] = [[], []]
            for _ in range(_LOOKS):
                for place, client in enumerate(clients):
                    began = time.perf_counter()
                    client.get(page).raise_for_status()
                    took[place].append((time.perf_counter() - began) * 1e3)
            yield Line(name, "ms", median(took[0]), median(took[1]), f"≤ {goal:.0f} ms")


def _yesterday() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 86_400))


@contextmanager
def _api(folder: Path, store: Store) -> Iterator[httpx.Client]:
    port = free_port()
    more = {
        "API__PORT": str(port),
        "API__TOKENS": f"bench:{_TOKEN}",
        "API__BASIC_USER": _USER,
        "API__BASIC_PASSWORD": _PASSWORD,
        "API__CALLS_PER_MINUTE": "100000",
    }
    role = EmbeddedRole("api", folder, port, {**store.environment, **more})
    role.start()
    try:
        role.wait_ready()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=_credentials, timeout=60) as client:
            yield client
    finally:
        role.stop()


def _credentials(request: httpx.Request) -> httpx.Request:
    """The token opens our own pages, user and password the DAG's."""
    if request.url.path.startswith("/api/"):
        return next(httpx.BasicAuth(_USER, _PASSWORD).auth_flow(request))
    request.headers["Authorization"] = f"Bearer {_TOKEN}"
    return request


def table(lines: Sequence[Line], runs: int) -> str:
    """As Markdown, with the machine that it was measured on."""
    rows = [
        f"| {line.name} | {line.empty:.3g} {line.unit} | {line.full:.3g} {line.unit} "
        f"| {line.ratio:.2f} | {line.goal} |"
        for line in lines
    ]
    head = [f"| | few runs | {runs:,} runs | ratio | goal |", "|---|---:|---:|---:|---:|"]
    return "\n".join([*head, *rows, "", f"`python -m bench.large.history` on {machine()}."])


def _say(what: str) -> None:
    sys.stderr.write(f"  … {what}\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.large.history", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="ended runs in the full store")
    runs: int = parser.parse_args().runs
    with tempfile.TemporaryDirectory(prefix="laurel-history-") as folder:
        sys.stdout.write(f"{table(measure(Path(folder), runs), runs)}\n")


if __name__ == "__main__":
    main()
