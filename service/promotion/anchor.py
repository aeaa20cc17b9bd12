"""What this process knows of the ledger from outside: what was announced, and what the last audit found."""

from domain.counterparts import Announced
from domain.ledger import LedgerEntry
from domain.ports.promotion_ledger import Announcements


class Anchor:
    """The newest generation of one model that was announced, or that this process saw in the ledger.

    A ledger that lacks it later was restored from a backup. `broken` is what the last audit of the whole
    ledger has found. Raises TryLater while Kafka is away and nothing
    was read yet.
    """

    def __init__(self, announcements: Announcements, model_name: str) -> None:
        self._announcements = announcements
        self._model_name = model_name
        self._newest: Announced | None = None
        self._was_read = False
        self.broken: int | None = None

    async def newest(self) -> Announced | None:
        """What is known; read at the first call."""
        if not self._was_read:
            await self.read()
        return self._newest

    async def read(self) -> None:
        """Read the topic again. What was seen before stays known when the topic is gone."""
        told = await self._announcements.newest(self._model_name)
        self._was_read = True
        if told is not None and (self._newest is None or told.generation >= self._newest.generation):
            self._newest = told

    def saw(self, head: LedgerEntry) -> None:
        """Remember a head that fitted all counterparts."""
        if self._newest is None or head.generation > self._newest.generation:
            self._newest = Announced(generation=head.generation, version=head.version, entry_hash=head.hash)
