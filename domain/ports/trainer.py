"""Fitting and scoring: heavy work in a child process."""

from collections.abc import Callable, Mapping
from typing import Protocol

from domain.datasets import SplitParts
from domain.metrics import Score
from domain.models import LoggedModel, ModelPackage, ModelRecord, PackageFiles, RegisteredVersion
from domain.resolved_config import ResolvedConfig
from domain.values import Sha256


class Trainer(Protocol):
    """Raises NeverRetry when the fit cannot succeed, TryLater `step_died`, `out_of_memory` and the like."""

    async def train(
        self,
        run_id: str,
        config: ResolvedConfig,
        parts: SplitParts,
        record: ModelRecord,
        on_plain_files: Callable[[Mapping[str, bytes]], None],
        on_disk: Callable[[PackageFiles], None],
    ) -> ModelPackage:
        """Fit the candidate and leave its package in the run's folder. Safe to repeat.

        `record` is what the package says of itself: which run and which logged model it is.
        `on_plain_files` is told before the fit which files of the package are known already, by path;
        `on_disk` is told as soon as the package is there: its upload need not wait for the train metrics.
        """

    async def upload_plain_files(self, files: Mapping[str, bytes], artifact_uri: str) -> Mapping[str, Sha256]:
        """Upload texts below the logged model's address, while the model is fitted. Safe to repeat.

        Returns their digests by path; none after a failure, since `upload` meets it too and says why.
        """

    async def upload(
        self, package: PackageFiles, model: LoggedModel, arrived: Mapping[str, Sha256] | None
    ) -> None:
        """Upload the package's files as the logged model's artifacts. Safe to repeat.

        `arrived` are the digests of all that can be there, by path. None: nobody knows, and it is looked for.
        """

    async def verify(self, package: PackageFiles) -> None:
        """Load the package from its files alone, as a server does, and ask for the recorded predictions.

        Raises ModelUnusable for one that would not load, or that says something else: it may not be promoted.
        """

    async def score_candidate(
        self, config: ResolvedConfig, package: PackageFiles, parts: SplitParts
    ) -> Mapping[str, Score]:
        """Score on `reference` and every optional test, by name, as soon as the package is on disk."""

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        """Fetch the champion (cached by its digest), check it and score it on the reference bytes now.

        Raises ModelUnusable when it cannot be loaded or trusted: the gate then says INCONCLUSIVE.
        """

    async def same_predictions(
        self, version: RegisteredVersion, package: PackageFiles, config: ResolvedConfig, parts: SplitParts
    ) -> bool:
        """True when both models predict the same for every row of the reference.

        Raises NeverRetry when one of them cannot be asked.
        """
