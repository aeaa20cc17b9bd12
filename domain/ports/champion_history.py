"""Who was champion when, for those who look for one among very many; and losses of a champion."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from domain.announcement import Announcement, Loss
from domain.events import InferenceDiverged, InferenceReloaded
from domain.history import Reign


class ChampionHistory(Protocol):
    """Reads single generations of one model. Raises TryLater when the store does not answer."""

    async def page(
        self, limit: int, *, before: int | None = None, since: datetime | None = None
    ) -> Sequence[Reign]:
        """Newest first: generations below `before`, and those that reigned at `since` or later."""

    async def at(self, moment: datetime) -> Reign | None:
        """Who reigned at a moment; None before the first champion."""

    async def generation(self, number: int) -> Reign | None:
        """One generation."""

    async def of_version(self, version: int) -> Sequence[Reign]:
        """The newest generations of a version, newest first; at most 20."""

    async def shown_at(self, generation: int) -> datetime | None:
        """When alias and defaults had followed to a generation, and it was announced; None: not yet."""

    async def replicas(self, generation: int) -> Sequence[InferenceReloaded | InferenceDiverged]:
        """What was announced of the replicas and a generation, in order; at most 100."""

    async def losses(self, generation: int) -> Sequence[datetime]:
        """When it was noticed that the registry had lost a generation's version, while it was champion."""

    async def accepted_at(self, request_id: str) -> datetime | None:
        """When an API accepted a request under this id; None for one that none knows."""


class ChampionLosses(Protocol):
    """Remembers them, so that each is announced once. Raises TryLater when the store does not answer."""

    async def noticed(self, model_name: str, generation: int) -> Loss:
        """The loss that lasts; the first to notice it makes it. Safe to repeat, and beside others."""

    async def announce(self, announcement: Announcement) -> None:
        """Put a loss's `champion.missing` into the outbox. Safe to repeat by event id."""

    async def ended(self, model_name: str, generation: int) -> None:
        """The version is there again: what is noticed after this is another loss. Safe to repeat."""
