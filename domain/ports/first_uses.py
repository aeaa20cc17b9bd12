"""What was used first under a name: a config file that was edited since is not the one that was used."""

from typing import Protocol


class FirstUses(Protocol):
    """Digests by first use; never overwritten. Raises TryLater when the store does not answer."""

    async def known(self, kind: str, name: str) -> str | None:
        """The digest of the first use, None when never used."""

    async def record(self, kind: str, name: str, digest: str, run_id: str) -> str:
        """Record `digest` unless the name was used before; return the digest of its first use.

        `kind` is a config family (`splits`, `features`, `models`, `data_contracts`) or `reference`.
        """
