"""The port `Announcements` in memory."""

from collections.abc import Sequence

from domain.counterparts import Announced


class FakeAnnouncements:
    """Holds what a test says was announced."""

    def __init__(self, *told: Announced) -> None:
        self.told = list(told)

    async def newest(self, model_name: str) -> Announced | None:
        return max(await self.all(model_name), key=lambda one: one.generation, default=None)

    async def all(self, model_name: str) -> Sequence[Announced]:
        del model_name
        return self.told
