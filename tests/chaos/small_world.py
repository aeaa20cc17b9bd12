"""Two workers of the product's own code on fakes, who can be stopped, killed and robbed of answers.

The fakes have passed the contract suites of the real stores and servers. A killed worker never hears anything
again and changes nothing more; a stopped one hears its answer when it is woken.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from domain.announcement import Announcement
from domain.datasets import SplitParts
from domain.decisions import CannotDecide
from domain.errors import TryLater
from domain.hold import CannotHold
from domain.ledger import Cause
from domain.metrics import Score
from domain.models import RegisteredVersion
from domain.record import Record
from domain.request import Coordinates
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_actions import Actor
from domain.values import VersionTriple
from handlers.training_requested import on_training_requested
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.worker_parts import reconciler_in, runner_in
from service.messaging.relay import OutboxRelay
from service.promotion.holding import PromotionHolding
from service.promotion.rollback import RollbackOrder
from service.runtime.metrics import Metrics
from tests.fakes.dead_letters import FakeDeadLetters
from tests.fakes.memory import Memory
from tests.fakes.outbox import FakeOutbox
from tests.kit.builders import MODEL, TRIPLE, a_score
from tests.oracle import facts
from tests.worlds.deciding import rollback_on
from tests.worlds.stage import LEASE, RETRY, FakeTrainer, Stage

PORTS: Final = ("store", "ledger", "alias_writes", "holds", "tracker", "registry", "config")
CREATING: Final = (
    "open_run",
    "create_model",
    "register",
    "set_alias",
    "advance",
    "append",
    "announce",
    "log",
)
_ANNA: Final = Actor(name="anna", door="api", proven=True)
_ACTIVE: Final = "training_defaults:\n  feature_version: {}\n  model_version: {}\n  split_version: {}\n"


class Wire:
    """Between one life of a worker and everything else."""

    def __init__(self, lost: list[str]) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._lost = lost  # names of calls whose next answer is lost; shared by all

    def stop(self) -> None:
        """Hear and do nothing until woken; for ever is dead."""
        self._open.clear()

    def wake(self) -> None:
        """Go on."""
        self._open.set()

    def through(self, port: Any) -> Any:
        """A port as it is seen through this wire."""
        return _Wired(self, port)

    async def call(self, name: str, call: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> Any:
        """Ask, be answered, perhaps not hear it."""
        await self._open.wait()
        result = await call(*args, **kwargs)
        await self._open.wait()
        if name in self._lost:
            self._lost.remove(name)
            raise TryLater("answer_lost", f"no answer to {name}", waiting_on="somebody")
        return result


class _Wired:
    def __init__(self, wire: Wire, port: Any) -> None:
        self._wire = wire
        self._port = port

    def __getattr__(self, name: str) -> Any:
        held = getattr(self._port, name)
        if not callable(held):
            return held

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._wire.call(name, held, *args, **kwargs)

        return call


class KnowsErrors(FakeTrainer):
    """A model's error follows from the model version that its run was asked for."""

    memory: Memory

    async def score_candidate(
        self, config: ResolvedConfig, package: Any, parts: SplitParts
    ) -> Mapping[str, Score]:
        del package
        tests = {name: a_score(0.7, file.sha256) for name, file in parts.optional_tests.items()}
        return {"reference": a_score(error_of(config.triple.model_version)), **tests}

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        del config, parts
        run = self.memory.runs[version.tags["laurel.run_id"]].run
        return a_score(error_of(run.outputs["resolve"]["triple"]["model_version"]))


def error_of(model_version: int) -> float:
    """The higher the version, the better the model."""
    return 1.0 / (1 + model_version)


class Life:
    """One worker's present life: what it does, and the wire that it does it through."""

    def __init__(self, stage: Stage, name: str, lost: list[str]) -> None:
        self.wire = Wire(lost)
        world = stage.worker_world(name)
        wired = {port: self.wire.through(getattr(world, port)) for port in PORTS}
        self.world: RunPorts = replace(world, **wired)
        self._stage = stage
        self._projector = self.world.projector()
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def carry(self) -> None:
        """Claim a run and carry it, unless this worker does so already."""
        runner = runner_in(
            self.world, self._stage.heavy, self._projector, RETRY, LEASE, self._stage.background_jobs
        )
        self._begin("carry", runner.run_one)

    def look(self) -> None:
        """Let the reconciler look, unless it does so already."""
        self._begin("look", reconciler_in(self.world, self._projector, 0).look)

    def step_back(self, key: str) -> None:
        """Let a person roll back from here, unless one does so already."""
        job, order = rollback_on(self.world), RollbackOrder(None, "too high", "a person", key)

        async def back() -> None:
            with suppress(CannotDecide):
                await job.roll_back(order)

        self._begin("step back", back)

    def hold(self) -> None:
        """Let a person hold promotions from here, or release them where they are held."""
        holding = PromotionHolding(MODEL, self.world.holds, self.world.clock)

        async def hold_or_release() -> None:
            with suppress(CannotHold):
                if await self.world.holds.open() is None:
                    await holding.hold("audit", None, _ANNA)
                else:
                    await holding.release(None, _ANNA)

        self._begin("hold", hold_or_release)

    def _begin(self, name: str, work: Callable[[], Awaitable[Any]]) -> None:
        task = self._tasks.get(name)
        if task is None or task.done():
            self._tasks[name] = asyncio.ensure_future(_patient(work))

    async def end(self) -> None:
        """Take down what is left of a life; its last words may be said now."""
        self.wire.wake()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def _patient(work: Callable[[], Awaitable[Any]]) -> None:
    try:
        await work()
    except TryLater:
        return  # as the loops around it do


class SmallWorld:
    """Kafka, the stores, MLflow and two workers, all in memory."""

    def __init__(self) -> None:
        self.stage = Stage()
        trainer = KnowsErrors(self.stage.script)
        trainer.memory = self.stage.memory
        self.stage.heavy = replace(self.stage.heavy, trainer=trainer)
        self.origins: dict[str, str] = {}  # where a run's request stood, by identity
        self.lost: list[str] = []
        self.lives = {name: Life(self.stage, name, self.lost) for name in ("a", "b")}
        self.dead: list[Life] = []
        self.topic: list[facts.Sent] = []
        self.wire_records: list[facts.Record] = []
        self.commits: list[facts.Commit] = []
        self.did = facts.Did()
        self.keys: list[str] = []  # of rollbacks that persons asked for
        self.desk = FakeDeadLetters()
        self.relay = OutboxRelay(
            FakeOutbox(self.stage.memory, MODEL), self, metrics=Metrics(), clock=self.stage.clock
        )

    async def publish(self, announcement: Announcement) -> None:
        """Be Kafka for the relay."""
        headers = tuple((name, text.encode()) for name, text in announcement.headers.items())
        place = facts.Coordinates(announcement.topic, 0, len(self.wire_records), len(self.wire_records))
        self.wire_records.append(
            facts.Record(place, announcement.key.encode(), headers, announcement.body.encode())
        )

    async def deliver(self, number: int) -> None:
        """Bring a record of the topic to the handler, and commit it."""
        sent = self.topic[number]
        place = sent.record.coordinates
        record = Record(
            coordinates=Coordinates(
                topic=place.topic, partition=0, offset=place.offset, timestamp_ms=place.timestamp_ms
            ),
            key=sent.record.key,
            value=sent.record.value,
            headers=sent.record.headers,
        )
        handled = await on_training_requested(
            record,
            store=self.stage.store,
            model_name=MODEL,
            max_bytes=10_000,
        )
        if handled.why is not None:
            await self.desk.add([(record, handled.why)])
        if handled.outcome == "stored":
            self.origins[str(handled.facts["identity"])] = str(record.coordinates)
        before = self.commits[-1].offset if self.commits else 0
        self.commits.append(facts.Commit(0, max(before, place.offset + 1)))

    async def put(self, value: bytes, event_id: str | None, kind: facts.Kind) -> None:
        """Produce a record; it is delivered at once."""
        names = {"specversion": "1.0", "type": "laurel.training.requested.v1", "source": "/s"}
        headers = (
            ()
            if event_id is None
            else tuple((f"ce_{name}", text.encode()) for name, text in {**names, "id": event_id}.items())
        )
        place = facts.Coordinates("training.requested", 0, len(self.topic), len(self.topic))
        self.topic.append(facts.Sent(facts.Record(place, None, headers, value), kind))
        await self.deliver(len(self.topic) - 1)

    def step_back(self, name: str) -> None:
        """A person rolls back at the machine of this worker."""
        self.keys.append(f"key-{len(self.keys)}")
        self.lives[name].step_back(self.keys[-1])

    def hold(self, name: str) -> None:
        """A person holds promotions at the machine of this worker, or releases them."""
        self.lives[name].hold()

    def kill(self, name: str) -> None:
        """The worker is gone; another life of it begins."""
        life = self.lives[name]
        life.wire.stop()
        self.dead.append(life)
        self.lives[name] = Life(self.stage, name, self.lost)

    async def end(self) -> None:
        """Take everything down."""
        for life in (*self.dead, *self.lives.values()):
            await life.end()

    def seen(self) -> facts.World:
        """The world as the oracle reads it."""
        memory, tracker = self.stage.memory, self.stage.tracker
        made = {
            entry.correlation_id: entry.version for entry in memory.ledger if entry.cause is Cause.ROLLBACK
        }
        self.did.rollbacks = [made[key] for key in self.keys if key in made]  # at most one for each
        return facts.World(
            MODEL,
            sent=tuple(self.topic),
            runs=tuple(_row(row.run, self.origins.get(row.run.identity)) for row in memory.runs.values()),
            history=tuple(
                facts.Transition(
                    step.run_id, step.seq, step.from_state.value, step.to_state.value, step.fence
                )
                for row in memory.runs.values()
                for step in row.history
            ),
            outbox=tuple(_outbox(row) for row in memory.outbox),
            ledger=tuple(
                facts.LedgerRow(e.generation, e.version, e.cause.value, e.previous_hash, e.hash, e.text)
                for e in memory.ledger
            ),
            live=tuple(self.wire_records),
            late=(*self.wire_records, *(_dead_letter(record) for record, _ in self.desk.kept)),
            commits=tuple(self.commits),
            ends={0: len(self.topic)},
            tracked=tuple(
                facts.TrackedRun(name, run.status, run.params, run.metrics, run.tags)
                for name, run in tracker.runs.items()
            ),
            versions=tuple(
                facts.RegisteredVersion(v.version, v.mlflow_run_id, v.tags, frozenset({"MLmodel"}))
                for v in self.stage.registry.versions.get(MODEL, [])
            ),
            alias=self.stage.alias,
            active=(_active(TRIPLE), _active(self.stage.config.active)),
            did=self.did,
            first_uses=tuple(
                facts.FirstUse(kind, name, digest) for (_, kind, name), digest in memory.first_uses.items()
            ),
            files={_path(kind, name): digest for (_, kind, name), digest in memory.first_uses.items()},
            config_root="/config",
            data_root="/data",
        )

    def is_quiet(self) -> bool:
        """Nothing is left to carry or to send, and the alias shows the head."""
        memory = self.stage.memory
        head = memory.ledger[-1].version if memory.ledger else None
        ended = all(row.run.ended for row in memory.runs.values())
        return ended and all(row.sent for row in memory.outbox) and self.stage.alias == head


def _row(run: Run, place: str | None) -> facts.RunRow:
    failure = None if run.failure is None else run.failure.model_dump()
    outputs = {
        name: value for name, value in run.outputs.items() if name in {"resolve", "decide"}
    }  # what lies on a disk is not of this world
    return facts.RunRow(
        run.run_id, run.identity, place, run.state.value, run.fence, run.mlflow_run_id, failure, outputs
    )


def _outbox(row: Any) -> facts.OutboxRow:
    told = row.announcement
    return facts.OutboxRow(
        row.seq, told.event_id, row.run_id, told.topic, told.key, told.headers, told.body, row.sent
    )


def _dead_letter(record: Record) -> facts.Record:
    place = record.coordinates
    values = (place.topic, place.partition, place.offset, place.timestamp_ms)
    names = ("topic", "partition", "offset", "timestamp")
    headers = tuple(
        (f"laurel-original-{name}", str(value).encode()) for name, value in zip(names, values, strict=True)
    )
    return facts.Record(
        facts.Coordinates("training.requested.dlq", 0, place.offset, 0), record.key, headers, record.value
    )


def _path(kind: str, name: str) -> str:
    if kind == "reference":
        return f"/data/reference/tests/{name}/test_reference.parquet"
    return f"/config/{kind}/{name}.yaml"


def _active(triple: VersionTriple) -> bytes:
    return _ACTIVE.format(triple.feature_version, triple.model_version, triple.split_version).encode()
