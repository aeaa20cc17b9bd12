"""The datasets on disk: what the master holds, its split, the versions of its bytes, and their remote.

A config file that was edited since its first use is not the one that was used.
"""

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


class MasterRows(Protocol):
    """The count of one model's master. Raises TryLater when the database does not answer."""

    async def record(self, rows: int) -> None:
        """Keep what the master's footer says, in the place of what it said before. Safe to repeat."""


class FirstUses(Protocol):
    """Digests by first use; never overwritten. Raises TryLater when the store does not answer."""

    async def known(self, kind: str, name: str) -> str | None:
        """The digest of the first use, None when never used."""

    async def record(self, kind: str, name: str, digest: str, run_id: str) -> str:
        """Record `digest` unless the name was used before; return the digest of its first use.

        `kind` is a config family (`splits`, `features`, `models`, `data_contracts`) or `reference`.
        """


class Remotes(Protocol):
    """What is known of the remotes of one model. Raises TryLater when the store does not answer."""

    async def claim(self, address: str, remote_id: str) -> str:
        """Record the id of a remote that is used for the first time; return the one that is recorded.

        An address holds no secret: another password does not make another remote.
        """

    async def marked(self, address: str) -> str | None:
        """The id that the remote at this address was seen to bear; None until then."""

    async def mark(self, address: str) -> None:
        """Record that the remote has its id. Safe to repeat."""

    async def older_objects(self, count: int) -> Sequence[str]:
        """The hashes of objects that were pushed before, by so many runs, taken by chance."""
