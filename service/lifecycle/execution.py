"""The work of one claimed run: each piece is started once, as soon as what it needs is there.

The runner commits states in the table's order; work may run ahead, and is read from the row after a restart.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

from domain.comparison import Compared
from domain.datasets import DatasetHashes, SplitParts
from domain.errors import NeverRetry, TryLater
from domain.ledger import LedgerEntry
from domain.lifecycle import Step
from domain.models import LoggedModel, ModelPackage, ModelRecord, OpenedRun, PackageFiles
from domain.package_tags import package_tags
from domain.points import Point, Points
from domain.ports.clock import Clock
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.run_record import ChampionOutlook, Decided, Evaluated, Persisted, Trained, present
from domain.values import Value
from service.lifecycle.futures import both, sooner, tell
from service.lifecycle.patient_calls import WaitingCalls
from service.lifecycle.run_steps import Heavy, Steps
from service.lifecycle.steps import record_end
from service.lifecycle.steps.compare import Candidate
from service.lifecycle.steps.decide import Inputs, ScoreHead
from service.lifecycle.steps.evaluate import Judging, generation_of
from service.lifecycle.steps.open_run import create_model, open_run
from service.lifecycle.steps.resolve import ConfigurationRefused, resolve
from service.lifecycle.steps.version import record_datasets

T = TypeVar("T")
V = TypeVar("V", bound=Value)
_FIRST_CLAIM = 1  # fences count from here
_OPENING_SECONDS = 10.0  # that a failure waits for its record to be made


class Work:
    """Pieces of one run by name. `close()` stops whatever was started and is not wanted any more."""

    def __init__(
        self,
        run: Run,
        steps: Steps,
        heavy: Heavy,
        *,
        waiting: WaitingCalls,
        clock: Clock,
        points: Points,
        max_attempts: int,
    ) -> None:
        self.run = run
        self.record_closed = True
        self._steps = steps
        self._heavy = heavy
        self._waiting = waiting
        self.past_waits = waiting.past
        self._clock = clock
        self._points = points
        self._max_attempts = max_attempts
        self._pieces: dict[str, asyncio.Task[Any]] = {}
        self._asked_for: set[str] = set()
        self._created: asyncio.Future[LoggedModel] = asyncio.get_running_loop().create_future()
        self._on_disk: asyncio.Future[PackageFiles] = asyncio.get_running_loop().create_future()

    def start_ahead(self) -> None:
        """Start everything that may run before its turn: up to the scores, not the decision."""
        for name, piece in {"ahead_of_version": self.versioned, "ahead_of_decide": self._judged}.items():
            self._start(name, piece)

    async def close(self) -> None:
        """Cancel what still runs; a child at work for it is killed."""
        await self._cancel()
        self._waiting.over()

    async def put_off(self, seconds: float) -> None:
        """Cancel what waits: the run waits on without its slot."""
        await self._cancel()
        self._waiting.put_off(seconds)

    async def _cancel(self) -> None:
        pieces = list(self._pieces.values())
        for piece in pieces:
            piece.cancel()
        await asyncio.gather(*pieces, return_exceptions=True)

    async def resolved(self) -> ResolvedConfig | ConfigurationRefused:
        """Give the configuration, or why there is none."""
        config, first_uses, heavy = self._steps.config, self._steps.first_uses, self._heavy
        return await self._waiting.step(
            Step.RESOLVE, resolve, self.run, config, first_uses, heavy.files, heavy.threads
        )

    def config(self) -> ResolvedConfig:
        """Give the frozen configuration of an accepted run."""
        return present(self.run.record.resolved)

    async def opened(self) -> OpenedRun:
        """Give the MLflow run of record."""
        return await self._once("open_run", OpenedRun, self._open)

    async def parts(self) -> SplitParts:
        """Give the run's parts of the master."""
        return await self._once(Step.SPLIT, SplitParts, self._split)

    async def versioned(self) -> DatasetHashes:
        """Give the datasets' hashes, after their record and their publication."""
        return await self._once(Step.VERSION, DatasetHashes, self._version)

    async def package(self) -> ModelPackage:
        """Give the fitted model on disk; kept as soon as it is there, since a fit may have taken hours."""
        if self._has_package:
            return ModelPackage.model_validate(self.run.outputs["package"])
        return await self._start("package", self._train)

    @property
    def _has_package(self) -> bool:
        """True for a package that tells its logged model's id; 0.1.0 kept others, which are fitted again."""
        return {"package", "logged_model"} <= self.run.outputs.keys()

    async def trained(self) -> Trained:
        """Give the package and the logged model that holds its files."""
        return await self._once(Step.TRAIN, Trained, self._log_model)

    async def evaluated(self) -> Evaluated:
        """Give both models' scores."""
        return await self._once(Step.EVALUATE, Evaluated, self._evaluate)

    async def compared_with(self, champion: ChampionOutlook) -> Compared:
        """Give what is known of both models beside their scores; kept for readers of the run."""
        piece = f"compared with generation {generation_of(champion)}"
        return await self._start(piece, partial(self._compare, champion))

    async def decided(self) -> tuple[Decided, LedgerEntry | None]:
        """Give the verdict on the champion of this moment; never kept, since the head may move."""
        trained, evaluated = await self.trained(), await self.evaluated()
        opened, parts = await self.opened(), await self.parts()
        judging, step = self._judging(parts), self._steps.compare
        inputs = Inputs(self.run, self.config(), opened, trained, evaluated, parts.train.sha256)
        repeats = partial(step.repeats, await self._candidate(), judging)
        verified = partial(self._start_again, "verified", self._verify)
        inputs = replace(inputs, compare=self.compared_with, repeats=repeats, verified=verified)
        score = partial(self._steps.judge.score_head, judging=judging)
        recording = self._start("recorded", self._record_scores)
        deciding = self._waiting.step(Step.DECIDE, self._decide, inputs, score)
        decision, _ = await both(deciding, recording)
        return decision

    async def _decide(self, inputs: Inputs, score: ScoreHead) -> tuple[Decided, LedgerEntry | None]:
        inputs = replace(inputs, is_new=self._is_new("version"))
        return await self._steps.decide.decide(inputs, score)

    async def close_declined(self, opened: OpenedRun, decided: Decided) -> None:
        """End the MLflow run of a candidate that did not win, before that is announced."""
        await self._waiting.call_with_retry(self._close_with_verdict, opened, decided)

    async def _close_with_verdict(self, opened: OpenedRun, decided: Decided) -> None:
        tracker, provenance = self._steps.tracker, self._steps.provenance
        await record_end.close_with_verdict(self.run, opened.mlflow_run_id, decided, tracker, provenance)

    async def persisted(self) -> Persisted:
        """Make alias, defaults and record show the promotion; a promoted run waits as long as it takes."""
        return await self._waiting.endless_step(Step.PERSIST, self._persist)

    def _is_new(self, thing: str) -> bool:
        """True the first time under the first claim: nobody can have made the thing, so nobody need look."""
        is_new = self.run.fence == _FIRST_CLAIM and thing not in self._asked_for
        self._asked_for.add(thing)
        return is_new

    async def _open(self) -> OpenedRun:
        opened = await self._waiting.call_with_retry(self._find_or_open)
        await self._points.at(Point.OPEN_RUN_AFTER_CREATE)
        await self._waiting.keep("open_run", opened)
        return opened

    async def _find_or_open(self) -> OpenedRun:
        return await open_run(self.run, self.config(), self._steps.tracker, is_new=self._is_new("open_run"))

    async def opened_already(self) -> OpenedRun | None:
        """Give the MLflow run of record of a run that fails, unless MLflow keeps it waiting."""
        if Step.RESOLVE not in self.run.outputs:
            return None
        try:
            async with asyncio.timeout(_OPENING_SECONDS):
                return await self.opened()
        except (TimeoutError, NeverRetry, TryLater):
            return None

    async def _split(self) -> SplitParts:
        return await self._waiting.step(
            Step.SPLIT, self._steps.split.split, self.run.run_id, self.config(), self._heavy.files
        )

    async def _version(self) -> DatasetHashes:
        parts = await self.parts()
        hashes = await self._once("hashes", DatasetHashes, self._hashes)
        opened, tracker, provenance = await self.opened(), self._steps.tracker, self._steps.provenance
        await self._waiting.call_with_retry(
            record_datasets, opened, self.config(), parts, hashes, tracker, provenance
        )
        await self._waiting.call_with_retry(self._heavy.files.publish, self.config(), parts)
        return hashes

    async def _hashes(self) -> DatasetHashes:
        """Version the parts; kept while MLflow is away, so that they need not be once more for each try."""
        parts = await self.parts()
        hashes = await self._waiting.step(Step.VERSION, self._heavy.versions.version, self.run.run_id, parts)
        if not self._is_there("open_run"):
            await self._waiting.keep("hashes", hashes)
        return hashes

    async def _train(self) -> ModelPackage:
        train = self._heavy.trainer.train
        parts, record = await both(self.parts(), self._record())
        told = partial(self._begin_upload, record.artifact_uri), partial(tell, self._on_disk)
        package = await self._waiting.step(
            Step.TRAIN, train, self.run.run_id, self.config(), parts, record, *told
        )
        with self._waiting.at_work():  # a package is kept after its logged model, and is not lost to that
            model = await self._model()
        if model.model_id != record.model_id:
            raise TryLater("package_changed", "the logged model was made again while the model was fitted")
        await self._waiting.keep("package", package)
        return package

    async def _files(self) -> PackageFiles:
        """Give the fitted model's files as soon as they are on disk; its train metrics come later."""
        if self._has_package:
            return await self.package()
        return await sooner(self._on_disk, self._start("package", self._train))

    async def _log_model(self) -> Trained:
        files, model = await self._files(), await self._model()
        await self._waiting.call_with_retry(self._upload, files, model)
        self._start("verified", self._verify)
        tags = package_tags(files.manifest, files.digest)
        await self._waiting.call_with_retry(self._steps.tracker.finalize_model, model, tags)
        await self._points.at(Point.TRAIN_AFTER_LOG_MODEL)
        package = await self.package()
        if package.digest != files.digest:
            raise TryLater("package_changed", "the model was fitted again while its files were uploaded")
        return Trained(package=package, model=model)

    def _begin_upload(self, artifact_uri: str, files: Mapping[str, bytes]) -> None:
        self._start("uploaded_ahead", partial(self._heavy.trainer.upload_plain_files, files, artifact_uri))

    async def _upload(self, files: PackageFiles, model: LoggedModel) -> None:
        ahead = await self._pieces["uploaded_ahead"] if "uploaded_ahead" in self._pieces else {}
        await self._heavy.trainer.upload(files, model, ahead if self._is_new("upload") else None)

    async def _verify(self) -> None:
        """See that a server would load and answer; the upload goes first, since registering waits for it."""
        files = await self._files()
        with self._waiting.at_work():
            await self._heavy.trainer.verify(files)

    async def _model(self) -> LoggedModel:
        return await self._once("logged_model", LoggedModel, self._create_model)

    async def _record(self) -> ModelRecord:
        """Say whose model the package is, as soon as its id is known: the fit waits for no more of it."""
        model = await (self._model() if "logged_model" in self.run.outputs else self._created_model())
        return ModelRecord(
            mlflow_run_id=(await self.opened()).mlflow_run_id,
            model_id=model.model_id,
            artifact_uri=model.artifact_uri,
        )

    async def _created_model(self) -> LoggedModel:
        return await sooner(self._created, self._start("logged_model", self._create_model))

    async def _create_model(self) -> LoggedModel:
        model = await self._waiting.call_with_retry(self._find_or_create_model, await self.opened())
        await self._waiting.keep("logged_model", model)
        return model

    async def _find_or_create_model(self, opened: OpenedRun) -> LoggedModel:
        is_new = self._is_new("logged_model")
        created = partial(tell, self._created)
        return await create_model(opened, self.config(), self._steps.tracker, created, is_new=is_new)

    async def _evaluate(self) -> Evaluated:
        parts, config, trainer = await self.parts(), self.config(), self._heavy.trainer
        judging = self._start("champion", partial(self._champion, parts))
        files = await self._files()
        started = self._clock.monotonic()
        scores = await self._waiting.step(Step.EVALUATE, trainer.score_candidate, config, files, parts)
        await self._points.at(Point.EVALUATE_BETWEEN_MODELS)
        champion = await judging
        seconds = self._clock.monotonic() - started
        return Evaluated(candidate=dict(scores), champion=champion, seconds=seconds)

    async def _judged(self) -> None:
        recorded = self._start("recorded", self._record_scores)
        await both(both(self.trained(), recorded), self._compared_ahead())

    async def _compared_ahead(self) -> Compared:
        return await self.compared_with((await self.evaluated()).champion)

    async def _record_scores(self) -> None:
        """Log the scores as soon as they are known, while nothing else is asked of MLflow."""
        evaluated, package = await both(self.evaluated(), self.package())
        await self._waiting.call_with_retry(
            record_end.record_scores, await self.opened(), package, evaluated, self._steps.tracker
        )

    async def _compare(self, champion: ChampionOutlook) -> Compared:
        candidate, judging = await self._candidate(), self._judging(await self.parts())
        compared = await self._waiting.call_with_retry(
            self._steps.compare.compare, candidate, champion, judging, self._heavy.files
        )
        await self._waiting.keep("compared", compared)
        return compared

    async def _candidate(self) -> Candidate:
        return Candidate(files=await self._files(), score=(await self.evaluated()).reference)

    async def _champion(self, parts: SplitParts) -> ChampionOutlook:
        return await self._waiting.call_with_retry(self._steps.judge.judge_champion, self._judging(parts))

    def _judging(self, parts: SplitParts) -> Judging:
        last_try = self.run.attempts >= self._max_attempts
        return Judging(self.config(), parts, self._heavy.trainer, last_try=last_try)

    async def _persist(self) -> Persisted:
        opened, decided = await self.opened(), present(self.run.record.decided)
        shown, _ = await both(self._steps.projector.follow(), self._close_with_verdict(opened, decided))
        if shown is None or shown.generation < (decided.generation or 0):
            raise TryLater(
                "ledger_behind", "the ledger's head is older than this promotion", waiting_on="postgres"
            )
        await self._steps.projector.announce_up_to(shown)
        return Persisted(shown_generation=shown.generation)

    async def _once(self, name: str, kind: type[V], make: Callable[[], Coroutine[Any, Any, V]]) -> V:
        if name in self.run.outputs:
            return kind.model_validate(self.run.outputs[name])
        return await self._start(name, make)

    def _is_there(self, name: str) -> bool:
        piece = self._pieces.get(name)
        return name in self.run.outputs or (piece is not None and piece.done())

    def _start_again(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        """Start a piece, also after a failure that may pass: who waits for it tries it again."""
        if (piece := self._pieces.get(name)) and piece.done() and isinstance(piece.exception(), TryLater):
            del self._pieces[name]
        return self._start(name, make)

    def _start(self, name: str, make: Callable[[], Coroutine[Any, Any, T]]) -> asyncio.Task[T]:
        if name not in self._pieces:
            self._pieces[name] = asyncio.create_task(make(), name=f"{self.run.run_id}:{name}")
        return cast("asyncio.Task[T]", self._pieces[name])
