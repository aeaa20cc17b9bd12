"""The datasets on disk: what the master holds, its split into parts, and the versions of their bytes."""

from collections.abc import Sequence
from typing import Protocol

from domain.datasets import DatasetFile, DatasetHashes, SplitParts
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

    async def count_trained(
        self, config: ResolvedConfig, reference: DatasetFile, train: DatasetFile, dvc_hash: str | None
    ) -> int | None:
        """Say how many rows of the reference are in another run's training part, by their keys.

        `dvc_hash` is that part's, for when its file has been removed. None when its bytes are not here, or
        have no such keys.
        """

    async def publish(self, config: ResolvedConfig, parts: SplitParts) -> None:
        """Copy the parts to the shared `splits/vN/`, each file whole. Safe to repeat."""


class DatasetVersions(Protocol):
    """Safe to repeat: the same bytes have the same hashes."""

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Add and push every part, and see every object at the remote.

        Raises TryLater with `waiting_on="dvc_remote"` when the remote does not take them.
        """
