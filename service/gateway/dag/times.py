"""The date filters of the lists."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator

from service.gateway.dag.dates import in_utc, query_text

Moment = Annotated[
    datetime | None,
    BeforeValidator(query_text),
    AfterValidator(in_utc),
    Query(description="Inclusive; in UTC unless it has an offset."),
]


@dataclass(frozen=True)
class Span:
    """From `since` to `until`, both inclusive; None: open."""

    since: datetime | None = None
    until: datetime | None = None

    def holds(self, at: datetime | None) -> bool:
        """What has no time yet lies in the span that is open on both sides alone."""
        if at is None:
            return self.since is None and self.until is None
        return (self.since is None or self.since <= at) and (self.until is None or at <= self.until)

    def within(self, other: "Span") -> "Span":
        """What lies in both."""
        return Span(
            max(filter(None, (self.since, other.since)), default=None),
            min(filter(None, (self.until, other.until)), default=None),
        )


def _started(start_date_gte: Moment = None, start_date_lte: Moment = None) -> Span:
    return Span(start_date_gte, start_date_lte)


def _executed(execution_date_gte: Moment = None, execution_date_lte: Moment = None) -> Span:
    return Span(execution_date_gte, execution_date_lte)


def _ended(end_date_gte: Moment = None, end_date_lte: Moment = None) -> Span:
    return Span(end_date_gte, end_date_lte)


def _updated(updated_at_gte: Moment = None, updated_at_lte: Moment = None) -> Span:
    return Span(updated_at_gte, updated_at_lte)


@dataclass(frozen=True)
class Times:
    """All date filters of one list."""

    started: Annotated[Span, Depends(_started)]
    executed: Annotated[Span, Depends(_executed)]
    ended: Annotated[Span, Depends(_ended)]
    updated: Annotated[Span, Depends(_updated)]


AskedTimes = Annotated[Times, Depends(Times)]
