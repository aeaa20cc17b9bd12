"""What was announced of a model, as anybody can read it."""

from collections.abc import Sequence
from typing import Protocol

from domain.counterparts import Announced


class Announcements(Protocol):
    """Reads `model.promoted`. Raises TryLater with `waiting_on="kafka"` when it does not answer."""

    async def newest(self, model_name: str) -> Announced | None:
        """The highest generation among the last announcements; None when the topic holds none."""

    async def all(self, model_name: str) -> Sequence[Announced]:
        """Every announcement that the topic still holds, in its order."""
