"""Port `Trainer`: the fit in the training child, what does not depend on it in the side child."""

import asyncio
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import cast

from domain.datasets import DatasetFile, SplitParts
from domain.errors import ModelUnusable, NeverRetry, TryLater
from domain.fit_threads import ThreadShare, fit_threads
from domain.job_results import ModelScores
from domain.metrics import Score
from domain.models import LoggedModel, ModelPackage, ModelRecord, PackageFiles, RegisteredVersion
from domain.package_tags import recorded_manifest
from domain.resolved_config import ResolvedConfig
from domain.values import Sha256
from service.adapters.files.data_layout import DataLayout
from service.adapters.mlflow.access import MlflowAccess, is_elsewhere
from service.lifecycle.job_client import JobClient
from service.lifecycle.steps.jobs import (
    COMPARE,
    NOT_KEPT,
    SCORE,
    TRAIN,
    CompareJob,
    KeptPredictions,
    ModelOnDisk,
    ScoreJob,
    TrainJob,
)
from service.models.jobs import FETCH, UPLOAD, UPLOAD_TEXTS, VERIFY, FetchJob, UploadJob, UploadTextsJob


class ChildTrainer:
    """Trains, uploads, fetches and scores in children."""

    def __init__(
        self,
        jobs: JobClient,
        places: DataLayout,
        access: MlflowAccess,
        *,
        seed: int,
        allow_foreign: bool,
        threads: ThreadShare,
    ) -> None:
        self._jobs = jobs
        self._places = places
        self._access = access
        self._seed = seed
        self._allow_foreign = allow_foreign
        self._threads = threads
        self._scorers: dict[str, asyncio.Future[str]] = {}  # by a package's digest, who may score it

    async def train(
        self,
        run_id: str,
        config: ResolvedConfig,
        parts: SplitParts,
        record: ModelRecord,
        on_plain_files: Callable[[Mapping[str, bytes]], None],
        on_disk: Callable[[PackageFiles], None],
    ) -> ModelPackage:
        """Fit on the run's own train part."""
        self._scorers = {}

        def hear(facts: Mapping[str, object]) -> None:
            if isinstance(files := facts.get("package"), PackageFiles):
                self._scorers[files.digest] = asyncio.get_running_loop().create_future()
                on_disk(files)
            elif "plain_files" in facts:
                on_plain_files(cast("Mapping[str, bytes]", facts["plain_files"]))

        job = TrainJob(
            part=parts.train,
            contract=config.contract,
            features=config.features,
            model=config.model,
            run_folder=self._places.run(run_id),
            seed=self._seed,
            record=record,
            memory_bytes=self._jobs.memory_bytes,
            threads=fit_threads(config.model.model, parts.train.rows, self._threads, config.fit_threads),
        )
        try:
            return (await self._jobs.run("train", TRAIN, job, on_progress=hear)).package
        finally:
            for scorer in self._scorers.values():
                _settle(scorer, "train")

    async def upload_plain_files(self, files: Mapping[str, bytes], artifact_uri: str) -> Mapping[str, Sha256]:
        """Upload in the side child, which waits for the fit."""
        texts = {path: content.decode() for path, content in files.items()}
        job = UploadTextsJob(artifact_uri=artifact_uri, texts=texts, access=self._access)
        try:
            await self._jobs.run("side", UPLOAD_TEXTS, job)
        except (NeverRetry, TryLater):
            return {}
        return {path: sha256(content).hexdigest() for path, content in files.items()}

    async def upload(
        self, package: PackageFiles, model: LoggedModel, arrived: Mapping[str, Sha256] | None
    ) -> None:
        """Upload in the side child, while the candidate is scored in the other."""
        job = UploadJob(
            package=package,
            artifact_uri=model.artifact_uri,
            access=self._access,
            cache_folder=str(self._places.champions),
            arrived=arrived,
        )
        await self._jobs.run("side", UPLOAD, job)

    async def verify(self, package: PackageFiles) -> None:
        """Verify where the next champion is then in memory: in the side child."""
        await self._jobs.run("side", VERIFY, package)
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
        return (await self.score(child, own_model(package), config, datasets)).scores

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        """Fetch what is not in the cache, and score on the run's reference."""
        champion = await self.fetch("side", version)
        scored = await self.score("side", champion, config, {"reference": parts.reference})
        return scored.scores["reference"]

    async def same_predictions(
        self, version: RegisteredVersion, package: PackageFiles, config: ResolvedConfig, parts: SplitParts
    ) -> bool:
        """Ask both models in the side child, where the champion is in memory."""
        job = CompareJob(
            candidate=own_model(package),
            champion=await self.fetch("side", version),
            reference=parts.reference,
            target=config.contract.target,
            foreign_columns=config.features.columns,
        )
        return await self._jobs.run("side", COMPARE, job)

    async def fetch(self, child: str, version: RegisteredVersion) -> ModelOnDisk:
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
        job = FetchJob(
            source=version.source,
            manifest=recorded,
            access=self._access,
            cache_folder=str(self._places.champions),
        )
        try:
            files = await self._jobs.run(child, FETCH, job)
        except TryLater as error:
            if recorded is None and is_elsewhere(version.source):
                raise _out_of_reach(version, error) from error
            raise
        return ModelOnDisk(folder=files.folder, manifest=files.manifest, foreign=recorded is None)

    async def score(
        self,
        child: str,
        model: ModelOnDisk,
        config: ResolvedConfig,
        datasets: Mapping[str, DatasetFile],
        keep: KeptPredictions = NOT_KEPT,
    ) -> ModelScores:
        """Score in a child, and keep the predictions if that is asked for."""
        job = ScoreJob(
            model=model,
            datasets=datasets,
            target=config.contract.target,
            foreign_columns=config.features.columns,
            keep=keep,
        )
        return await self._jobs.run(child, SCORE, job)


def own_model(package: PackageFiles) -> ModelOnDisk:
    """A package that Laurel made."""
    return ModelOnDisk(folder=package.folder, manifest=package.manifest)


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
