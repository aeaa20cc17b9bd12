"""Fitting, scoring and drawing: heavy work in a child process."""

from collections.abc import Mapping
from typing import Any, Protocol

from domain.datasets import SplitParts
from domain.models import LoggedModel, ModelPackage, OpenedRun, RegisteredVersion
from domain.resolved_config import ResolvedConfig
from domain.score import Score


class Trainer(Protocol):
    """Raises NeverRetry when the fit cannot succeed, TryLater `step_died`, `out_of_memory` and the like."""

    async def train(self, run_id: str, config: ResolvedConfig, parts: SplitParts) -> ModelPackage:
        """Fit the candidate and leave its package in the run's folder. Safe to repeat."""

    async def upload(self, package: ModelPackage, model: LoggedModel) -> None:
        """Upload the package's files as the logged model's artifacts. Safe to repeat."""

    async def score_candidate(
        self, config: ResolvedConfig, package: ModelPackage, parts: SplitParts
    ) -> Mapping[str, Score]:
        """Score on `reference` and every optional test, by name."""

    async def score_champion(
        self, version: RegisteredVersion, config: ResolvedConfig, parts: SplitParts
    ) -> Score:
        """Fetch the champion (cached by its digest), check it and score it on the reference bytes now.

        Raises NeverRetry when it cannot be loaded or trusted: the gate then says INCONCLUSIVE.
        """

    async def draw(self, run: OpenedRun, facts: Mapping[str, Any]) -> None:
        """Draw the plots and the model card and upload them. Off the critical path; safe to repeat."""
