"""Who reigned when: a generation with its time as champion."""

from datetime import datetime
from typing import Self

from pydantic import Field

from domain.announcement import generation_of
from domain.events import Generation
from domain.judged import Judged
from domain.ledger import LedgerEntry
from domain.values import Value


class Reign(Value):
    """A generation with the time in which it was champion; `requested_by` asked for the run that made it.

    It begins at its entry's moment, but never before the one that it follows: clocks may differ. So one that
    was followed at the same moment has reigned for no time at all.
    """

    entry: LedgerEntry
    since: datetime
    until: datetime | None = None
    requested_by: str | None = None

    def seconds(self, now: datetime) -> float:
        """How long it reigned, or has reigned so far."""
        return max(0.0, ((self.until or now) - self.since).total_seconds())


class ReignForm(Generation):
    """One generation in the form that all of Laurel has for one, and its time as champion."""

    since: str = Field(description="Since when it reigned: ISO 8601 with its offset.")
    until: str | None = Field(description="Until when; null: it is the champion.")
    reigned_seconds: float = Field(description="How long, or how long so far.")
    requested_by: str | None = Field(description="Who requested the training; null where no run decided.")
    candidate_metric: float | None = Field(
        description="Its figure by `metric`; null where no gate judged it."
    )
    champion_metric: float | None = Field(description="The figure of the champion before it, likewise.")

    @classmethod
    def of(cls, reign: Reign, now: datetime) -> Self:
        """Put a reign into it."""
        judged = Judged.of_entry(reign.entry)
        return cls(
            **dict(generation_of(reign.entry)),
            since=reign.since.isoformat(),
            until=reign.until and reign.until.isoformat(),
            reigned_seconds=reign.seconds(now),
            requested_by=reign.requested_by,
            candidate_metric=judged and judged.candidate,
            champion_metric=judged and judged.champion,
        )
