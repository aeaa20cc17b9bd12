"""The versions of the datasets' bytes."""

from typing import Protocol

from domain.datasets import DatasetHashes, SplitParts


class DatasetVersions(Protocol):
    """Safe to repeat: the same bytes have the same hashes."""

    async def version(self, run_id: str, parts: SplitParts) -> DatasetHashes:
        """Add and push every part, and see every object at the remote.

        Raises TryLater with `waiting_on="dvc_remote"` when the remote does not take them.
        """
