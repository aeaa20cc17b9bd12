"""The versioned configuration files and the defaults that production uses."""

from collections.abc import Sequence
from typing import Protocol

from domain.faults import Fault
from domain.resolved_config import ResolvedConfig
from domain.values import AskedVersions, VersionTriple


class ConfigFamilies(Protocol):
    """Reads `CONFIG_ROOT`. Raises NeverRetry `bad_config` for an unusable active_config.yaml."""

    async def defaults(self) -> VersionTriple:
        """The triple in active_config.yaml."""

    async def resolve(self, asked: AskedVersions) -> ResolvedConfig | Sequence[Fault]:
        """Fill, read and check everything that a file alone can tell: all faults at once."""

    async def holds(self, triple: VersionTriple) -> bool:
        """True when the three files that a triple names exist."""

    async def write_defaults(self, triple: VersionTriple) -> None:
        """Replace the three defaults in one atomic replace; every other byte stays. Safe to repeat.

        Raises TryLater `disk_full` when the disk is full.
        """
