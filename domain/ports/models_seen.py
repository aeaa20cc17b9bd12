"""Which models have workers: asked by somebody whose request nobody reads."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.values import Value


class SeenModel(Value):
    """A model, and when one of its workers was last known to live."""

    model_name: str
    last_seen: datetime


class ModelsSeen(Protocol):
    """Knows the workers of all models. Raises TryLater."""

    async def seen(self) -> Sequence[SeenModel]:
        """The models with workers, those that were seen last first; a few of them."""
