"""The record's files, the pictures and the model card of an ended run: made when nobody waits for them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from domain.datasets import SplitParts
from domain.lifecycle import State, Step
from domain.models import OpenedRun
from domain.ports.model_registry import ModelRegistry
from domain.promotion_checks import Champion
from domain.resolved_config import ResolvedConfig
from domain.run import Run
from domain.split_rules import GeographicSplit
from service.adapters.mlflow.access import MlflowAccess
from service.heavy.desk import Desk, Places
from service.heavy.trainer import ChildTrainer, Fetched
from service.model_cards import model_card
from service.provenance import Provenance
from service.record_files import record_texts
from service.steps.outputs import Decided, Trained

CHILD = "pictures"


@dataclass(frozen=True)
class Bench:
    """A child that is not a lifecycle's, and what works in it."""

    desk: Desk
    trainer: ChildTrainer


OpenBench = Callable[[], AbstractAsyncContextManager[Bench]]
Draw = Callable[[Run, Provenance], Awaitable[None]]


class Pictures:
    """Scores both models once more for their rows, draws, and uploads to the run of record."""

    def __init__(
        self, open_bench: OpenBench, places: Places, access: MlflowAccess, registry: ModelRegistry
    ) -> None:
        self._open_bench = open_bench
        self._places = places
        self._access = access
        self._registry = registry

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Draw]:
        """Lend what draws: one child, which imports a second long, for as many runs as there are."""
        async with self._open_bench() as bench:
            yield partial(self._put, bench)

    async def _put(self, bench: Bench, run: Run, provenance: Provenance) -> None:
        """Put the record's files and, behind a verdict, the pictures to an ended run. Safe to repeat."""
        await self._keep_texts(run, bench)
        if run.state in {State.COMPLETED, State.DECLINED}:
            await self._draw(run, provenance, bench)

    async def _keep_texts(self, run: Run, bench: Bench) -> None:
        opened = OpenedRun.model_validate(run.outputs["open_run"])
        await bench.desk.run(
            CHILD,
            "upload_texts",
            artifact_uri=opened.artifact_uri,
            files=record_texts(run),
            access=self._access,
        )

    async def _draw(self, run: Run, provenance: Provenance, bench: Bench) -> None:
        folder = self._places.run(run.run_id) / "pictures"
        config = ResolvedConfig.model_validate(run.outputs[Step.RESOLVE])
        trained = Trained.model_validate(run.outputs[Step.TRAIN])
        decided = Decided.model_validate(run.outputs[Step.DECIDE])
        package = trained.package
        own = Fetched(package.folder, package.manifest, foreign=False)
        candidate = await self._predictions(bench, own, config, run)
        answer = await bench.desk.run(
            CHILD,
            "draw",
            candidate=candidate,
            champion=await self._champion_predictions(bench, run, config, decided),
            target=config.contract.target,
            folder=str(folder),
            card=model_card(run, config, provenance).model_dump(mode="json"),
        )
        opened = OpenedRun.model_validate(run.outputs["open_run"])
        await bench.desk.run(
            CHILD,
            "upload_files",
            artifact_uri=f"{opened.artifact_uri}/evaluation",
            folder=str(folder),
            files=sorted(answer["files"]),
            access=self._access,
        )

    async def _champion_predictions(
        self, bench: Bench, run: Run, config: ResolvedConfig, decided: Decided
    ) -> str | None:
        if not isinstance(decided.champion, Champion):
            return None
        version = await self._registry.version(run.model_name, decided.champion.version)
        if version is None:
            return None
        known = await self._registry.resolved(run.model_name, version)
        return await self._predictions(bench, await bench.trainer.fetch(CHILD, known), config, run)

    async def _predictions(self, bench: Bench, model: Fetched, config: ResolvedConfig, run: Run) -> str:
        parts = SplitParts.model_validate(run.outputs[Step.SPLIT])
        locality = config.split.geographic_column if isinstance(config.split, GeographicSplit) else None
        answer = await bench.trainer.score(
            CHILD,
            model,
            config,
            {"reference": parts.reference},
            predictions_folder=str(self._places.run(run.run_id) / "pictures"),
            locality_column=locality,
        )
        return str(answer["predictions"]["reference"])
