"""A worker's core on fakes: one memory, one clock, ports that can be told to fail or to hold."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from domain.datasets import DatasetHashes, SplitParts
from domain.faults import Fault
from domain.lifecycle import State
from domain.metrics import Score
from domain.models import LoggedModel, ModelPackage, ModelRecord, RegisteredVersion
from domain.points import NO_POINTS, Points
from domain.promotion_checks import PromotionPolicy
from domain.request import ReceivedRequest
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.values import AskedVersions, VersionTriple
from service.adapters.files.data_layout import DataLayout
from service.lifecycle.background_jobs import Retention
from service.lifecycle.run_ports import RunPorts
from service.lifecycle.run_steps import Heavy
from service.lifecycle.runner import Runner
from service.lifecycle.worker_parts import background_jobs_in, runner_in
from service.promotion.anchor import Anchor
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from tests.fakes.alias_writes import FakeAliasWrites
from tests.fakes.announcements import FakeAnnouncements
from tests.fakes.bars import FakeHolds, FakeQuarantines
from tests.fakes.experiment_tracker import FakeExperimentTracker
from tests.fakes.first_uses import FakeFirstUses
from tests.fakes.master_rows import FakeMasterRows
from tests.fakes.memory import Memory
from tests.fakes.model_registry import FakeModelRegistry
from tests.fakes.promotion_ledger import FakePromotionLedger
from tests.fakes.run_store import FakeRunStore
from tests.harm.fake_time import FakeClock
from tests.kit.builders import (
    MODEL,
    PROVENANCE,
    REFERENCE,
    TRIPLE,
    a_config,
    a_package,
    a_request,
    a_score,
    sha256,
    some_hashes,
    some_parts,
)

LEASE = 30.0
RETRY = RetryPolicy(first_pause=2.0, longest_pause=60.0, budget=600.0, max_attempts=3)


class Script:
    """What is to happen at calls, by their name: errors to raise, gates to wait at; and which were made."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.errors: defaultdict[str, list[Exception | None]] = defaultdict(list)
        self.always: dict[str, Exception] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.cancelled: list[str] = []

    async def play(self, name: str) -> None:
        """Count the call, wait at its gate, and raise the next of its errors."""
        self.calls[name] += 1
        try:
            if name in self.gates:
                await self.gates[name].wait()
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        error = self.errors[name].pop(0) if self.errors[name] else None
        if error is not None:
            raise error
        if name in self.always:
            raise self.always[name]


def scripted(port: Any, script: Script, *names: str) -> Any:
    """Put these methods of a fake under the script."""
    for name in names:
        setattr(port, name, _scripted(getattr(port, name), script, name))
    return port


def _scripted(call: Callable[..., Any], script: Script, name: str) -> Callable[..., Any]:
    async def play(*args: Any, **kwargs: Any) -> Any:
        await script.play(name)
        return await call(*args, **kwargs)

    return play


class FakeConfigFamilies:
    """The port `ConfigFamilies`: every triple is there, or `faults` are."""

    def __init__(self, script: Script) -> None:
        self.active = TRIPLE
        self.faults: list[Fault] = []
        self.unknown: set[VersionTriple] = set()
        self._script = script

    async def defaults(self) -> VersionTriple:
        await self._script.play("defaults")
        return self.active

    async def resolve(self, asked: AskedVersions) -> ResolvedConfig | Sequence[Fault]:
        await self._script.play("resolve")
        return self.faults or a_config(asked.filled_from(self.active))

    async def holds(self, triple: VersionTriple) -> bool:
        return triple not in self.unknown

    async def write_defaults(self, triple: VersionTriple) -> None:
        await self._script.play("write_defaults")
        self.active = triple


class FakeDatasetFiles:
    """The port `DatasetFiles`."""

    def __init__(self, script: Script) -> None:
        self.faults: list[Fault] = []
        self.parts = some_parts("recent_1_year")
        self.trained_rows: int | None = 0
        self._script = script

    async def check(self, config: ResolvedConfig) -> Sequence[Fault]:
        del config
        await self._script.play("check")
        return self.faults

    async def count_rows(self) -> int:
        await self._script.play("count_rows")
        return self.parts.master.rows

    async def split(self, run_id: str, config: ResolvedConfig, reference_digest: str | None) -> SplitParts:
        del run_id, config, reference_digest
        await self._script.play("split")
        return self.parts

    async def publish(self, config: ResolvedConfig, parts: SplitParts) -> None:
        del config, parts
        await self._script.play("publish")

    async def count_trained(self, *asked: Any) -> int | None:
        del asked
        await self._script.play("count_trained")
        return self.trained_rows


class FakeVersions:
    """The port `DatasetVersions`."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        del run_id
        await self._script.play("version")
        return some_hashes(parts)


class FakeTrainer:
    """The port `Trainer`: the candidate scores `candidate`; a version scores what `champions` says of it."""

    def __init__(self, script: Script) -> None:
        self.candidate: float | None = 0.5
        self.champions: dict[int, float | None] = {}
        self.scored: Score | None = None  # what any champion scores instead
        self.records: list[ModelRecord] = []
        self.digest = REFERENCE
        self.same = False
        self.uploads: list[Mapping[str, str] | None] = []  # each time, what was said to be there
        self._script = script

    async def train(
        self,
        run_id: str,
        config: ResolvedConfig,
        parts: SplitParts,
        record: ModelRecord,
        on_plain_files: Callable[[Any], None],
        on_disk: Callable[[Any], None],
    ) -> ModelPackage:
        del config, parts
        self.records.append(record)
        await self._script.play("train")
        package = a_package(run_id)
        on_plain_files({"requirements.txt": b"scikit-learn"})
        on_disk(package)
        return package

    async def upload_plain_files(self, files: Mapping[str, bytes], artifact_uri: str) -> Mapping[str, str]:
        del artifact_uri
        await self._script.play("upload_plain_files")
        return dict.fromkeys(files, REFERENCE)

    async def upload(self, package: Any, model: LoggedModel, arrived: Mapping[str, str] | None) -> None:
        del package, model
        self.uploads.append(arrived)
        await self._script.play("upload")

    async def verify(self, package: Any) -> None:
        del package
        await self._script.play("verify")

    async def score_candidate(
        self, config: ResolvedConfig, package: Any, parts: SplitParts
    ) -> Mapping[str, Score]:
        del config, package
        await self._script.play("score_candidate")
        tests = {name: a_score(0.7, file.sha256) for name, file in parts.optional_tests.items()}
        return {"reference": a_score(self.candidate), **tests}

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        del config, parts
        await self._script.play("score_champion")
        return self.scored or a_score(self.champions[version.version], self.digest)

    async def same_predictions(self, *asked: Any) -> bool:
        del asked
        await self._script.play("same_predictions")
        return self.same


class NoPictures:
    """Draws nothing, and knows what it was asked for."""

    def __init__(self, script: Script) -> None:
        self.drawn: list[str] = []
        self.opened_times = 0
        self._script = script

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Any]:
        self.opened_times += 1
        yield self.draw

    async def draw(self, run: Run, provenance: Any) -> None:
        del provenance
        await self._script.play("draw")
        self.drawn.append(run.run_id)


class Stage:
    """Everything that a runner needs, and handles on all of it."""

    def __init__(self, points: Points = NO_POINTS, folder: Path | None = None) -> None:
        self.clock = FakeClock()
        self.policy = PromotionPolicy()
        self.memory = Memory(self.clock.now)
        self.script = script = Script()
        self.store = scripted(
            FakeRunStore(self.memory), script, "renew", "keep", "advance", "note_waiting", "add"
        )
        self.ledger = scripted(FakePromotionLedger(self.memory), script, "append")
        self.alias_writes = FakeAliasWrites(self.memory)
        self.announcements = FakeAnnouncements()
        self.master_rows = scripted(FakeMasterRows(), script, "record")
        self.tracker = scripted(
            FakeExperimentTracker(), script, "open_run", "log", "create_model", "finalize_model", "finish"
        )
        self.registry = scripted(
            FakeModelRegistry(),
            script,
            "alias_version",
            "register",
            "set_alias",
            "tag_version",
            "registered",
            "look",
        )
        self.config = FakeConfigFamilies(script)
        self.files = FakeDatasetFiles(script)
        self.trainer = FakeTrainer(script)
        self.pictures = NoPictures(script)
        self.points = points
        self.holds = FakeHolds(self.memory, MODEL)
        self.metrics = Metrics()
        self.held: list[float | None] = []
        self.world = self.worker_world("worker-1")
        self.heavy = Heavy(self.files, FakeVersions(script), self.trainer, self.held.append)
        self.projector = self.world.projector()
        self.folder = folder or Path("nowhere")
        drawing: Any = self.pictures
        self.background_jobs = background_jobs_in(self.world, drawing, self.retention(20))

    def retention(self, keep: int, keep_parts: int = 20) -> Retention:
        """Retention of the folders below the stage's own."""
        return Retention(
            model_name=MODEL,
            store=self.store,
            places=DataLayout(self.folder),
            keep=keep,
            keep_parts=keep_parts,
            jobs=("pictures", "status"),
            roots=(self.folder,),
            abandoned_seconds=3600.0,
        )

    def worker_world(self, worker: str) -> RunPorts:
        """The world as one worker sees it."""
        return RunPorts(
            model_name=MODEL,
            worker=worker,
            policy=self.policy,
            provenance=PROVENANCE,
            store=self.store,
            first_uses=FakeFirstUses(self.memory, MODEL),
            master_rows=self.master_rows,
            ledger=self.ledger,
            alias_writes=self.alias_writes,
            holds=self.holds,
            quarantines=FakeQuarantines(self.memory, MODEL),
            config=self.config,
            tracker=self.tracker,
            registry=self.registry,
            clock=self.clock,
            points=self.points,
            metrics=self.metrics,
            anchor=Anchor(self.announcements, MODEL),
            max_event_bytes=900_000,
        )

    def runner(self, worker: str = "worker-1", retry: RetryPolicy = RETRY) -> Runner:
        """A runner of a worker."""
        world = self.worker_world(worker)
        return runner_in(world, self.heavy, world.projector(), retry, LEASE, self.background_jobs)

    async def ask(self, request: ReceivedRequest | None = None, **payload: Any) -> str:
        """Store a request; return its run's id."""
        request = request or a_request(**payload)
        await self.store.add(request)
        return str(next(run.run_id for run in await self.store.find(request.identity)))

    async def carry(self, run_id: str, runner: Runner | None = None) -> Run:
        """Let a runner go on until the run ends, whatever it has to wait for."""

        async def until_the_end() -> Run:
            while True:
                run = await self.row(run_id)
                if run.ended:
                    return run
                if not await (runner or self.runner()).run_one():
                    await self.clock.sleep(1.0)

        return await self.clock.finish(until_the_end())

    async def done(self, *rmsle: float | None, **payload: Any) -> Run:
        """Ask and carry to the end; the candidate scores `rmsle`, and so it does when it is champion."""
        if rmsle:
            self.trainer.candidate = rmsle[0]
        run = await self.carry(await self.ask(**payload))
        head = await self.ledger.head(MODEL)
        if head is not None and head.run_id == run.run_id:
            self.trainer.champions[head.version] = self.trainer.candidate
        return run

    async def row(self, run_id: str) -> Run:
        """The run as it is stored."""
        run: Run | None = await self.store.get(run_id)
        assert run is not None
        return run

    async def states(self, run_id: str) -> list[State]:
        """Every state that the run went through."""
        return [State.REQUESTED, *(record.to_state for record in await self.store.history(run_id))]

    def topics(self, run_id: str | None = None) -> list[str]:
        """What was announced, in the order of the outbox."""
        rows = self.memory.outbox
        return [row.announcement.topic for row in rows if run_id is None or row.run_id == run_id]

    async def by_hand(self, source: str) -> int:
        """Register a version and point the alias at it, as a person does."""
        model = LoggedModel(model_id=f"m-{source}", uri=f"models:/m-{source}", artifact_uri="memory:/")
        made = await FakeModelRegistry.register(self.registry, MODEL, model, sha256(source)[:32], {})
        await FakeModelRegistry.set_alias(self.registry, MODEL, made.version)
        return int(made.version)

    @property
    def alias(self) -> int | None:
        """The version that the alias names."""
        aliases: dict[str, int] = self.registry.aliases
        return aliases.get(MODEL)


def fails(name: str, stage: Stage, *errors: Exception | None) -> None:
    """Have the next calls of a name raise these; None: that one succeeds."""
    stage.script.errors[name] += errors
