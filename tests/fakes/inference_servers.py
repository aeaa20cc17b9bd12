"""Inference servers in memory."""

from collections.abc import Sequence

from domain.ports.inference_servers import ReloadAnswer


class FakeInferenceServers:
    """Port `InferenceServers`; those in `down` do not answer, the others serve what is asked for."""

    def __init__(self, *servers: str, down: Sequence[str] = ()) -> None:
        self.servers = servers
        self.down = set(down)
        self.asked: list[tuple[int, int]] = []

    async def reload(self, generation: int, version: int) -> Sequence[ReloadAnswer]:
        """Answer for each server."""
        self.asked.append((generation, version))
        return [self._answer(server, version) for server in self.servers]

    def _answer(self, server: str, version: int) -> ReloadAnswer:
        if server in self.down:
            return ReloadAnswer(server=server, reloaded=False, problem="no answer")
        return ReloadAnswer(server=server, reloaded=True, model_version=str(version))
