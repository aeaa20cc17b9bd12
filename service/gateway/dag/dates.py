"""Dates from callers: with their day and time in ISO 8601, and as moments of UTC."""

import re
from datetime import UTC, datetime
from typing import Final

_BEGINS: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]")
_LOST_PLUS: Final = re.compile(r"^(\S+[T ]\S*\d) (\d\d:?\d\d)$")


def iso_text(value: object) -> object:
    """Refuse a number, which pydantic would take for seconds since 1970. Raises ValueError."""
    if isinstance(value, str) and _BEGINS.match(value):
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
