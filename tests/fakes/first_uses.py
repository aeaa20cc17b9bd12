"""The port `FirstUses` in memory."""

from tests.fakes.memory import Memory


class FakeFirstUses:
    """The first digest under a name stays."""

    def __init__(self, memory: Memory | None = None, model_name: str = "price") -> None:
        self.memory = memory or Memory()
        self._model = model_name

    async def known(self, kind: str, name: str) -> str | None:
        return self.memory.first_uses.get((self._model, kind, name))

    async def record(self, kind: str, name: str, digest: str, run_id: str) -> str:
        del run_id  # kept for people to see, where there is a row to see
        return self.memory.first_uses.setdefault((self._model, kind, name), digest)
