"""One world under faults: a deployment of its own, its workers, a witness, and the oracle at the end."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
import yaml
from aiokafka import AIOKafkaProducer
from sqlalchemy import make_url

from config.topics import requests_group
from domain.points import Point
from tests.chaos.figures import FIGURES
from tests.chaos.fleet import Fleet, Worker, now
from tests.chaos.orders import Orders
from tests.chaos.points import parent
from tests.e2e.deployment import Deployment
from tests.kit.eventually import eventually
from tests.kit.warm_starts import Nursery
from tests.oracle.check import check
from tests.oracle.facts import Coordinates, Kind, Record, Sent, Violation, World
from tests.oracle.reading import REQUEST_TOPIC
from tests.oracle.snapshot import Witness, glance, snapshot
from tests.oracle.topics import EVENT_TOPICS, LiveReader, end_offsets
from tests.oracle.where import Where
from tests.worlds.own_requests import begin_here

REST_SECONDS: Final = 90.0  # without any progress; on a busy machine one run may take half a minute
KEY_COLUMNS: Final = ("project_id",)
# Each better than the one before it: less and less shrinkage.
BETTER_AND_BETTER: Final = tuple(range(101, 161))
_DEAD_LETTERS: Final = "training.requested.dlq"
ENDS: Final = {"COMPLETED", "DECLINED", "REJECTED", "FAILED"}

# Short leases, sessions and pauses, so that a takeover is a matter of seconds.
QUICK: Final = {
    "WORKER__LEASE_SECONDS": "3",
    "WORKER__RETRY_SECONDS": "0.2",
    "WORKER__RETRY_SECONDS_MAX": "1",
    "WORKER__RECONCILE_SECONDS": "2",
    "WORKER__MAX_ATTEMPTS": "50",
    "WORKER__GRACE_SECONDS": "5",
    "WORKER__KEEP_RUN_PARTS": "20",  # for the oracle
    "KAFKA__SESSION_TIMEOUT_SECONDS": "3",
    "MLFLOW__TIMEOUT_SECONDS": "3",
}

# Secrets that every world carries, to be found nowhere.
CANARIES: Final = {
    "INFERENCE_INTERNAL_TOKEN": "canary-token-5d20",
    "MLFLOW__TOKEN": "canary-mlflow-a71c",
}


_FEW_FEATURES: Final = """\
version: 1
data_contract: 1
tabular_features:
  area: {type: numeric, impute: median, scaler: standard}
  condition: {type: categorical, impute: most_frequent, encoding: onehot}
"""


@dataclass
class Chaos:
    """What a case works with. Made by `chaos`."""

    deployment: Deployment
    where: Where
    fleet: Fleet
    orders: Orders
    witness: Witness
    producer: AIOKafkaProducer
    reader: LiveReader
    begins: Mapping[tuple[str, int], int]  # where the requests begin that are this world's
    found: list[Violation] = field(default_factory=list)
    connection: "psycopg.Connection[tuple[Any, ...]] | None" = None
    seen: tuple[tuple[int, ...], World] | None = None  # what was done, and the rows, at the last glance

    async def put(
        self,
        payload: Mapping[str, Any] | bytes | None,
        *,
        event_id: str | None = None,
        kind: Kind = Kind.VALID,
        headers: Iterable[tuple[str, bytes | None]] = (),
        partition: int | None = None,
    ) -> Sent:
        """Produce a request; a mapping becomes JSON, bytes stay as they are."""
        value = json.dumps(payload).encode() if isinstance(payload, Mapping) else payload
        attributes = [*headers, *(_attributes(event_id) if event_id else ())]
        key = self.where.model_name.encode()
        place = await self.producer.send_and_wait(
            REQUEST_TOPIC, value, key=key, headers=attributes, partition=partition
        )
        where = Coordinates(place.topic, place.partition, place.offset, place.timestamp)
        sent = Sent(Record(where, key, tuple(attributes), value), kind)
        self.witness.sent.append(sent)
        return sent

    async def ask(self, model_version: int = 1, **more: Any) -> Sent:
        """Ask for a training."""
        return await self.put({"model_version": model_version, **more})

    async def look(self) -> World:
        """Glance at the rows and remember what was seen."""
        seen = await glance(self.where, self.witness)
        self.witness.earlier.append(seen)
        return seen

    async def look_again(self) -> World:
        """The last glance, or a new one if anything was done since: a wait asks many times a second."""
        _, done = self._work()
        if self.seen is None or self.seen[0] != done:
            self.seen = done, await self.look()
        return self.seen[1]

    async def ended(self, count: int, *, within: float = 120.0) -> World:
        """Wait until so many runs have ended."""
        deadline = now() + within
        while True:
            seen = await self.look_again()
            if sum(row.state in ENDS for row in seen.runs) >= count:
                return seen
            assert now() < deadline, f"{[(row.run_id[:8], row.state, row.failure) for row in seen.runs]}"
            await asyncio.sleep(0.1)

    async def promoted(self, count: int, *, within: float = 120.0) -> None:
        """Wait until the ledger has so many generations."""
        await eventually(
            lambda: len(self.rows("SELECT 1 FROM laurel.promotion_ledger")) >= count, within=within
        )

    def waiting(self) -> set[str]:
        """What unfinished runs wait for, as people see it."""
        rows = self.rows("SELECT waiting_on FROM laurel.runs WHERE waiting_on IS NOT NULL AND NOT ended")
        return {str(row[0]) for row in rows}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask this world's database over a connection that is kept: cases ask many times a second."""
        if self.connection is not None:
            with suppress(psycopg.OperationalError):
                return self.connection.execute(query.encode()).fetchall()
            self.connection.close()
        self.connection = psycopg.connect(self.where.database_url, connect_timeout=5, autocommit=True)
        return self.connection.execute(query.encode()).fetchall()

    def close(self) -> None:
        """Leave the database."""
        if self.connection is not None:
            self.connection.close()

    def _work(self) -> tuple[bool, tuple[int, ...]]:
        """Whether the database alone shows that there is work left, and how much it has seen done.

        A whole snapshot costs far more.
        """
        ((busy, *done),) = self.rows(
            "SELECT EXISTS (SELECT FROM laurel.runs WHERE NOT ended) "
            "OR EXISTS (SELECT FROM laurel.outbox WHERE sent_at IS NULL), "
            "(SELECT count(*) FROM laurel.runs), (SELECT count(*) FROM laurel.run_transitions), "
            "(SELECT count(*) FROM laurel.run_outputs), (SELECT count(sent_at) FROM laurel.outbox)"
        )
        return bool(busy), tuple(done)

    async def held_worker(self, point: Point) -> Worker:
        """Wait until somebody is held at a point; return the worker that it is, or works for."""
        pid = await self.orders.held(point)
        workers = {worker.pid: worker for worker in self.fleet.workers.values()}
        while pid not in workers:
            pid = parent(pid)
        return workers[pid]

    async def at_rest(self, *, within: float = REST_SECONDS) -> World:
        """Ask the oracle until it finds nothing; fail with what it finds when nothing moves for too long."""
        began = moved = now()
        before: tuple[int, ...] = ()
        while True:
            busy, done = self._work()
            if done != before:
                before, moved = done, now()
            if busy and now() - moved < within:
                await asyncio.sleep(0.1)
                continue
            world, self.found = await self.judge()
            if not self.found:
                FIGURES.sample("repair → convergence", now() - began)
                FIGURES.add("ledger entries verified", len(world.ledger))
                return world
            if now() - moved > within and self._work()[1] == before:
                raise AssertionError("\n".join(map(_said, self.found)) + "\n" + self._tails())
            await asyncio.sleep(0.5)  # a snapshot costs as much as half a lifecycle

    async def broken_at_rest(self, expected: set[str], *, within: float = 12.0) -> set[str]:
        """Which invariants are broken when the world has come as close to rest as it will.

        One of `expected` that stays broken is enough.
        """
        began, before = now(), None
        while True:
            _, found = await self.judge()
            broken = {violation.invariant for violation in found}
            if (broken == before and (broken & expected or "I4" not in broken)) or now() - began > within:
                return broken
            before = broken
            await asyncio.sleep(1)

    async def judge(self) -> tuple[World, list[Violation]]:
        """Take a snapshot and ask the oracle, as of a world at rest."""
        self.witness.live = self.reader.records
        self.witness.outputs = self.fleet.logs()
        world = await snapshot(self.where, self.witness, KEY_COLUMNS)
        return world, check(world, at_rest=True)

    def declare(self, *faults: str) -> None:
        """Say what will happen; a fault that does not happen proves nothing."""
        self.witness.did.declared += faults

    def fired(self, *faults: str) -> None:
        """Say what has happened."""
        self.witness.did.fired += faults

    def _tails(self) -> str:
        """The end of each log, and whether there is anybody who could go on."""
        lives = {name: "alive" if worker.alive else "DEAD" for name, worker in self.fleet.workers.items()}
        said = {name: log[-1500:].decode(errors="replace") for name, log in self.fleet.logs().items()}
        return "\n".join(f"--- {name}, {life}\n{said[name]}" for name, life in lives.items())


@asynccontextmanager
async def chaos(folder: Path, deployment: Deployment, nursery: Nursery) -> AsyncIterator[Chaos]:
    """Open a world; what stands in the topics before it is not its business."""
    model, bootstrap = deployment.model, deployment.bootstrap_servers
    begins = await begin_here(bootstrap, model)
    where = Where(
        model_name=model,
        experiment=model,
        group=requests_group(model),
        bootstrap_servers=bootstrap,
        database_url=make_url(deployment.database_url)
        .set(drivername="postgresql")
        .render_as_string(hide_password=False),
        tracking_uri=deployment.tracking_uri,
        config_root=str(deployment.world.config_root),
        data_root=str(deployment.world.data_root),
        starts=await end_offsets(bootstrap, (*EVENT_TOPICS, _DEAD_LETTERS)),
    )
    orders, reader = Orders(folder / "chaos"), LiveReader(bootstrap, where.starts)
    fleet = Fleet(nursery, orders.folder, deployment.environment)
    password = make_url(deployment.database_url).password
    witness = Witness(canaries=(*CANARIES.values(), *([str(password)] if password else [])))
    reader.start()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        with sampled(deployment.world.config_root / "active_config.yaml", witness.active):
            world = Chaos(deployment, where, fleet, orders, witness, producer, reader, begins)
            try:
                yield world
            finally:
                world.close()
                orders.disarm()
                await asyncio.to_thread(fleet.end)
                await reader.stop()


class sampled:  # noqa: N801 - reads as what it does
    """Read a file again and again and keep every change that is seen."""

    def __init__(self, path: Path, samples: list[bytes]) -> None:
        self._path = path
        self._samples = samples
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> None:
        self._samples.append(self._path.read_bytes())
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._over.wait(0.02):
            seen = self._path.read_bytes()
            if seen != self._samples[-1]:
                self._samples.append(seen)


def write_few_columns(config_root: Path) -> None:
    """Two features, and one test beside the reference: the cases are about the protocol alone."""
    (config_root / "features" / "v1.yaml").write_text(_FEW_FEATURES, encoding="utf-8")
    split = config_root / "splits" / "v1.yaml"
    split.write_text(split.read_text(encoding="utf-8").replace("[1, 3, 500]", "[3]"), encoding="utf-8")


def write_models(config_root: Path) -> None:
    """Ridge models with less and less shrinkage, each better than the one before."""
    for place, version in enumerate(BETTER_AND_BETTER):
        alpha = round(10 ** (6 - place / 16), 6)
        model = {"version": version, "model": {"type": "ridge", "params": {"alpha": alpha}}}
        (config_root / "models" / f"v{version}.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")


def _attributes(event_id: str) -> list[tuple[str, bytes]]:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", b"laurel.training.requested.v1"),
        ("ce_source", b"/tests/chaos"),
        ("ce_id", event_id.encode()),
    ]


def _said(violation: Violation) -> str:
    return f"{violation.invariant} {violation.about}: {violation.message}"
