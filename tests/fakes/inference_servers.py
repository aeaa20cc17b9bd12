"""Inference servers in memory."""

from collections.abc import Sequence

from domain.convergence import Problem, Replica, ReplicaObservation, Served


class FakeInferenceServers:
    """Port `InferenceServers`; those in `down` do not answer, the others serve what they are asked for.

    One in `refusing` does not load, for that reason; one in `without_generations` is not Laurel's own. None
    steps back, but those in `mistaken`, which had their generation from a tag.
    """

    def __init__(self, *servers: str, down: Sequence[str] = ()) -> None:
        self.servers = list(servers)
        self.down = set(down)
        self.refusing: dict[str, Problem] = {}
        self.without_generations: set[str] = set()
        self.mistaken: set[str] = set()
        self.served: dict[str, Served] = {}
        self.asked: list[tuple[str, int, int]] = []

    async def replicas(self) -> Sequence[Replica]:
        return [Replica(url=server) for server in self.servers]

    async def look(self, replica: Replica, *, seconds: float) -> ReplicaObservation:  # noqa: ARG002 - it answers at once
        if replica.url in self.down:
            return ReplicaObservation(problem=Problem(reason="unreachable", detail="ConnectError"))
        return ReplicaObservation(served=self.served.get(replica.url, Served(version=None)))

    async def reload(
        self,
        replica: Replica,
        generation: int,
        version: int,
        *,
        seconds: float,  # noqa: ARG002 - it answers at once
    ) -> Problem | None:
        self.asked.append((replica.url, generation, version))
        if replica.url in self.down:
            return Problem(reason="unreachable", detail="ConnectError")
        if replica.url in self.refusing:
            return self.refusing[replica.url]
        return self._load(replica.url, generation, version)

    def _load(self, server: str, generation: int, version: int) -> Problem | None:
        if server in self.without_generations:
            self.served[server] = Served(version=version)
            return None
        known = self.served.get(server)
        if known is not None and (known.generation or 0) > generation and server not in self.mistaken:
            return Problem(reason="conflict", detail="status 409")
        self.served[server] = Served(version=version, generation=generation)
        return None
