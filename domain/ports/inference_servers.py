"""The servers that answer predictions."""

from collections.abc import Sequence
from typing import Protocol

from domain.convergence import Problem, Replica, ReplicaObservation


class InferenceServers(Protocol):
    """Every address behind the configured URLs. None raises for a server that is down: the answer says so."""

    async def replicas(self) -> Sequence[Replica]:
        """Find them again, in the order of the URLs; a name without an address is one with its problem."""

    async def look(self, replica: Replica, *, seconds: float) -> ReplicaObservation:
        """Ask what it serves, for so many seconds at most."""

    async def reload(
        self, replica: Replica, generation: int, version: int, *, seconds: float
    ) -> Problem | None:
        """Ask it to load what is production now; None when it says that it did. Safe to repeat."""
