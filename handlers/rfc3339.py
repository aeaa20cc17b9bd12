"""Moments as RFC 3339 spells them: with a zone, on a day that the calendar has."""

import calendar
import re
from typing import Final

_MOMENT: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-9]{2})"
    r"[Tt](?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)(\.[0-9]+)?"
    r"([Zz]|(?P<sign>[+-])(?P<hours>[01][0-9]|2[0-3]):(?P<minutes>[0-5][0-9]))"
)
_LAST_MINUTE: Final = 24 * 60 - 1


def is_moment(text: str) -> bool:
    """True for a `date-time` of RFC 3339; a leap second ends a day in UTC."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        return False
    year, month, day = (int(found[name]) for name in ("year", "month", "day"))
    is_leap = found["second"] == "60"
    return 1 <= day <= calendar.monthrange(year, month)[1] and (not is_leap or _in_utc(found) == _LAST_MINUTE)


def _in_utc(found: re.Match[str]) -> int:
    """The minute of the day."""
    here = _minutes(found["hour"], found["minute"])
    ahead = _minutes(found["hours"] or 0, found["minutes"] or 0)
    return (here + ahead if found["sign"] == "-" else here - ahead) % _minutes(24, 0)


def _minutes(hours: str | int, minutes: str | int) -> int:
    return int(hours) * 60 + int(minutes)
