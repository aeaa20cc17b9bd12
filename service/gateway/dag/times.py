"""Dates from callers, with day and time in ISO 8601, as moments of UTC; and the date filters of lists."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator

from service.gateway.refusals import DATE_AND_TIME

_LOST_PLUS: Final = re.compile(r"^(\S+[T ]\S*\d) (\d\d:?\d\d)$")


def iso_text(value: object) -> object:
    """Refuse a number, which pydantic would take for seconds since 1970. Raises ValueError."""
    if isinstance(value, str) and DATE_AND_TIME.match(value):
        return value
    if value is None or isinstance(value, datetime):
        return value
    raise ValueError("must be a date with its time in ISO 8601, such as 2026-03-01T06:00:00+00:00")


def query_text(value: object) -> object:
    """The same of a query, where a + that was not encoded is a space. Raises ValueError."""
    return iso_text(_LOST_PLUS.sub(r"\1+\2", value) if isinstance(value, str) else value)


def in_utc(at: datetime | None) -> datetime | None:
    """The moment in UTC; without an offset it is taken for that. Raises ValueError out of all calendars."""
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is outside the years of valid dates") from None


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
