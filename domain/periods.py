"""Periods that are dates written as one number: differences between them are not lengths of time."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

_YEARS: Final = range(1900, 2101)
_MONTHS: Final = range(1, 13)
_DAYS: Final = range(1, 32)
_WEEKS: Final = range(1, 54)
_QUARTERS: Final = range(1, 5)

_FORMS: Final[Mapping[str, Callable[[int], bool]]] = {
    "YYYYQ": lambda period: period // 10 in _YEARS and period % 10 in _QUARTERS,
    "YYYYMM": lambda period: period // 100 in _YEARS and period % 100 in _MONTHS,
    "YYYYWW": lambda period: period // 100 in _YEARS and period % 100 in _WEEKS,
    "YYYYMMDD": lambda period: (
        period // 10_000 in _YEARS and period // 100 % 100 in _MONTHS and period % 100 in _DAYS
    ),
}


def date_form(periods: Collection[float]) -> str | None:
    """The form in which all of these are dates, such as YYYYMM; None for plain numbers."""
    if len(periods) < 2 or any(period % 1 for period in periods):  # noqa: PLR2004 - one number is no pattern
        return None
    return next((form for form, fits in _FORMS.items() if all(map(fits, map(int, periods)))), None)
