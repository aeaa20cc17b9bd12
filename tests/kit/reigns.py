"""Who reigned when, read from a whole ledger or its announcements: what the product's queries must say."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeVar

from domain.history import Reign
from domain.ledger import LedgerEntry

T = TypeVar("T")


class Term(NamedTuple):
    """From when on, and until when; None: it reigns."""

    since: datetime
    until: datetime | None


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
