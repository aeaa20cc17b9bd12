"""Port `Trainer`: the fit in the training child, what does not depend on it in the side child."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from domain.datasets import DatasetFile, SplitParts
from domain.errors import ModelUnusable, TryLater
from domain.models import LoggedModel, ModelPackage, ModelRecord, PackageFiles, RegisteredVersion
from domain.package_tags import recorded_manifest
from domain.resolved_config import ResolvedConfig
from domain.score import Score
from service.adapters.mlflow.access import MlflowAccess
from service.adapters.mlflow.artifact_uri import is_elsewhere
from service.heavy.desk import Desk, Places


@dataclass(frozen=True)
class Fetched:
    """A registered version's files on this machine; `foreign` when Laurel did not make it."""

    folder: str
    manifest: Mapping[str, str]
    foreign: bool


class ChildTrainer:
    """Trains, uploads, fetches and scores in children."""

    def __init__(
        self, desk: Desk, places: Places, access: MlflowAccess, *, seed: int, allow_foreign: bool
    ) -> None:
        self._desk = desk
        self._places = places
        self._access = access
        self._seed = seed
        self._allow_foreign = allow_foreign
        self._scorers: dict[str, asyncio.Future[str]] = {}  # by a package's digest, who may score it

    async def train(
        self,
        run_id: str,
        config: ResolvedConfig,
        parts: SplitParts,
        record: ModelRecord,
        on_disk: Callable[[PackageFiles], None],
    ) -> ModelPackage:
        """Fit on the run's own train part."""
        self._scorers = {}
        try:
            return await self._train(run_id, config, parts, record, on_disk)
        finally:
            for scorer in self._scorers.values():
                _settle(scorer, "train")

    async def _train(
        self,
        run_id: str,
        config: ResolvedConfig,
        parts: SplitParts,
        record: ModelRecord,
        on_disk: Callable[[PackageFiles], None],
    ) -> ModelPackage:
        def hear(facts: Mapping[str, Any]) -> None:
            if "package" in facts:
                files = PackageFiles.model_validate(facts["package"])
                self._scorers[files.digest] = asyncio.get_running_loop().create_future()
                on_disk(files)

        frozen = config.model_dump(mode="json")
        answer = await self._desk.run(
            "train",
            "train",
            on_progress=hear,
            train_path=parts.train.path,
            train_sha256=parts.train.sha256,
            contract=frozen["contract"],
            features=config.features.model_dump(mode="json"),
            model=frozen["model"],
            run_folder=str(self._places.run(run_id)),
            seed=self._seed,
            record=record.model_dump(mode="json"),
        )
        return ModelPackage.model_validate(answer["package"])

    async def upload(self, package: PackageFiles, model: LoggedModel, *, is_new: bool = False) -> None:
        """Upload in the side child, while the candidate is scored in the other."""
        await self._desk.run(
            "side",
            "upload",
            folder=package.folder,
            artifact_uri=model.artifact_uri,
            manifest=dict(package.manifest),
            access=self._access,
            cache_folder=str(self._places.champions),
            is_new=is_new,
        )

    async def verify(self, package: PackageFiles) -> None:
        """Verify where the next champion is then in memory: in the side child."""
        await self._desk.run("side", "verify", model_folder=package.folder, manifest=dict(package.manifest))
        if scorer := self._scorers.get(package.digest):
            _settle(scorer, "side")

    async def score_candidate(
        self, config: ResolvedConfig, package: PackageFiles, parts: SplitParts
    ) -> Mapping[str, Score]:
        """Score where the candidate is in memory first: where it was fitted, or where it was verified.

        The train metrics of many rows take longer than to verify, and keep the one child busy.
        """
        scorer = self._scorers.get(package.digest)
        child = "train" if scorer is None else await asyncio.shield(scorer)
        datasets = {"reference": parts.reference, **parts.optional_tests}
        answer = await self.score(
            child, Fetched(package.folder, package.manifest, foreign=False), config, datasets
        )
        return {name: Score.model_validate(score) for name, score in answer["scores"].items()}

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        """Fetch what is not in the cache, and score on the run's reference."""
        champion = await self.fetch("side", version)
        answer = await self.score("side", champion, config, {"reference": parts.reference})
        return Score.model_validate(answer["scores"]["reference"])

    async def same_predictions(
        self, version: RegisteredVersion, package: PackageFiles, config: ResolvedConfig, parts: SplitParts
    ) -> bool:
        """Ask both models in the side child, where the champion is in memory."""
        candidate = Fetched(package.folder, package.manifest, foreign=False)
        champion = await self.fetch("side", version)
        answer = await self._desk.run(
            "side",
            "compare",
            models=[
                {"folder": one.folder, "manifest": dict(one.manifest), "foreign": one.foreign}
                for one in (candidate, champion)
            ],
            dataset=parts.reference.model_dump(mode="json"),
            target=config.contract.target,
            foreign_columns=config.features.columns,
        )
        return bool(answer["same"])

    async def fetch(self, child: str, version: RegisteredVersion) -> Fetched:
        """Bring a version's files here. Raises ModelUnusable for one that may not be loaded."""
        recorded = recorded_manifest(version.tags)
        if recorded is None and not self._allow_foreign:
            raise ModelUnusable(
                "foreign_champion",
                f"version {version.version} was not made by Laurel, and loading it would run its code; "
                "set ALLOW_FOREIGN_CHAMPION=true if you trust it, or point the alias at a model that Laurel "
                "trained",
                version=version.version,
            )
        try:
            answer = await self._desk.run(
                child,
                "fetch",
                source=version.source,
                manifest=recorded,
                access=self._access,
                cache_folder=str(self._places.champions),
            )
        except TryLater as error:
            if recorded is None and is_elsewhere(version.source):
                raise _out_of_reach(version, error) from error
            raise
        return Fetched(answer["folder"], answer["manifest"], foreign=recorded is None)

    async def score(
        self,
        child: str,
        model: Fetched,
        config: ResolvedConfig,
        datasets: Mapping[str, DatasetFile],
        **more: Any,
    ) -> dict[str, Any]:
        """Run the task `score` in a child; `more` are its options."""
        answer: dict[str, Any] = await self._desk.run(
            child,
            "score",
            model_folder=model.folder,
            manifest=dict(model.manifest),
            datasets={name: file.model_dump(mode="json") for name, file in datasets.items()},
            target=config.contract.target,
            load_foreign=model.foreign,
            foreign_columns=config.features.columns,
            **more,
        )
        return answer


def _out_of_reach(version: RegisteredVersion, error: TryLater) -> ModelUnusable:
    """Laurel stores nothing where these files are: that store is not waited for."""
    return ModelUnusable(
        "model_out_of_reach",
        f"the files of version {version.version} cannot be fetched from {version.source}: {error.message}",
        version=version.version,
        source=version.source,
    )


def _settle(scorer: asyncio.Future[str], child: str) -> None:
    if not scorer.done():
        scorer.set_result(child)
