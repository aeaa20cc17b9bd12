"""Who reigned when: the ledger's entries, or the announcements of them, read as a history."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Self, TypeVar

from pydantic import Field

from domain.announcement import generation_of
from domain.events import Generation
from domain.judged import Judged
from domain.ledger import LedgerEntry
from domain.values import Value

T = TypeVar("T")


class Term(NamedTuple):
    """From when on, and until when; None: it reigns."""

    since: datetime
    until: datetime | None


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


def reigns_of(entries: Sequence[LedgerEntry]) -> list[Reign]:
    """Each entry of a whole ledger with its time, in the order of the generations."""
    spans = spans_of([entry.at for entry in entries])
    return [
        Reign(entry=entry, since=since, until=until)
        for entry, (since, until) in zip(entries, spans, strict=True)
    ]


def spans_of(moments: Sequence[datetime]) -> list[Term]:
    """The times of generations that were made at these moments, in their order."""
    begins = list(_never_earlier(moments))
    return (
        [Term(since, until) for since, until in zip(begins, [*begins[1:], None], strict=True)]
        if begins
        else []
    )


def reigning_at(reigns: Sequence[Reign], at: datetime) -> Reign | None:
    """Who reigned at a moment; None before the first."""
    return next((reign for reign in reversed(reigns) if reign.since <= at), None)


def replayed(announced: Iterable[tuple[int, datetime, T]], at: datetime) -> T | None:
    """Who reigned at a moment by the announcements: generation, its moment, and what is wanted of it.

    They may come in any order, and more than once.
    """
    by_generation = {generation: (moment, what) for generation, moment, what in announced}
    told = [by_generation[generation] for generation in sorted(by_generation)]
    begins = _never_earlier([moment for moment, _ in told])
    reigned = [what for since, (_, what) in zip(begins, told, strict=True) if since <= at]
    return reigned[-1] if reigned else None


def _never_earlier(moments: Sequence[datetime]) -> Iterator[datetime]:
    latest = datetime.min.replace(tzinfo=UTC)
    for moment in moments:
        latest = max(latest, moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        yield latest
