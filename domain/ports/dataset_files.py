"""The datasets on disk: what the master holds, and its split into parts."""

from collections.abc import Sequence
from typing import Protocol

from domain.datasets import DatasetFile, SplitParts
from domain.faults import Fault
from domain.resolved_config import ResolvedConfig


class DatasetFiles(Protocol):
    """Raises NeverRetry for data that cannot be used, TryLater for a full disk or a child that died."""

    async def check(self, config: ResolvedConfig) -> Sequence[Fault]:
        """Say which columns this configuration needs that the master lacks, or has with another type."""

    async def count_rows(self) -> int:
        """Say how many rows the master's footer tells of."""

    async def split(self, run_id: str, config: ResolvedConfig, reference_digest: str | None) -> SplitParts:
        """Check the contract and split the master into the run's own folder. Safe to repeat.

        `reference_digest` is what was recorded at the reference's first use; another one on disk is refused.
        """

    async def verify(self, parts: SplitParts) -> None:
        """Every part still has its digest. Raises NeverRetry `reference_digest_mismatch` and the like."""

    async def count_trained(
        self, config: ResolvedConfig, reference: DatasetFile, train: DatasetFile, dvc_hash: str | None
    ) -> int | None:
        """Say how many rows of the reference are in another run's training part, by their keys.

        `dvc_hash` is that part's, for when its file has been removed. None when its bytes are not here, or
        have no such keys.
        """

    async def publish(self, config: ResolvedConfig, parts: SplitParts) -> None:
        """Copy the parts to the shared `splits/vN/`, each file whole. Safe to repeat."""
