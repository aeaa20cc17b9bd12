"""The servers that answer predictions."""

from collections.abc import Sequence
from typing import Protocol

from domain.values import Value


class ReloadAnswer(Value):
    """What one server said to a reload: the version that it serves now, or what went wrong."""

    server: str
    reloaded: bool
    model_version: str | None = None
    problem: str | None = None


class InferenceServers(Protocol):
    """Never raises for a server that is down: its answer says so."""

    async def reload(self, generation: int, version: int) -> Sequence[ReloadAnswer]:
        """Ask every configured server to reload, side by side; no server configured: no answers."""
