"""Dates from callers: with their day and time in ISO 8601, and as moments of UTC."""

import re
from datetime import UTC, datetime
from typing import Any, Final

_BEGINS: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]")


def iso_text(value: Any) -> Any:
    """Refuse a number, which pydantic would take for seconds since 1970. Raises ValueError."""
    if isinstance(value, str) and _BEGINS.match(value):
        return value
    if value is None or isinstance(value, datetime):
        return value
    raise ValueError("must be a date with its time in ISO 8601, such as 2026-03-01T06:00:00+00:00")


def in_utc(at: datetime | None) -> datetime | None:
    """The moment in UTC; without an offset it is taken for that. Raises ValueError out of all calendars."""
    if at is None:
        return None
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("is beyond the years that there are dates for") from None
