"""Many rows at once, checked by column: what a list of rows is nearly always, in a fraction of the time.

What is taken here is what `RequestChecks` takes row by row, to the bit. All else, whatever it is, is left to
those checks, so that one place alone says what is wrong.
"""

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from domain.arrays import Floats, RowColumns, single
from service.models.request_fields import RequestField

# Up to it a whole number is a float, and an array compares as single numbers do.
_MOST: Final = 2.0**53 - 1
_NUMBERS: Final = frozenset({int, float, type(None)})
_TEXT: Final = frozenset({str})
_TEXT_OR_NULL: Final = frozenset({str, type(None)})
_Filled = dict[str, object]
_Flags = NDArray[np.bool]


class ColumnChecks:
    """Takes lists of rows as JSON brought them; made once per model. A field that is missing is null."""

    def __init__(self, fields: Sequence[RequestField], *, refuse_unknown: bool) -> None:
        self._nulls: _Filled = dict.fromkeys(field.name for field in fields)
        self._refuse_unknown = refuse_unknown
        self._is_slow = any(field.is_slow for field in fields)
        self._numbers = _NumberColumns([field for field in fields if field.type != "string"])
        self._texts = {field.name: _takes_texts(field) for field in fields if field.type == "string"}
        self._texts_of = _gather(tuple(self._texts))

    def taken(self, rows: Sequence[Any]) -> RowColumns | None:
        """The rows by column; None when anything is odd, which may be taken all the same."""
        if self._is_slow or set(map(type, rows)) != {dict}:
            return None
        filled = rows if self._are_whole(rows) else [self._nulls | row for row in rows]
        if self._refuse_unknown and not self._are_whole(filled):
            return None
        try:
            numbers, texts = self._numbers.taken(filled), self._taken_texts(filled)
        except (KeyError, TypeError, OverflowError):
            return None
        if numbers is None or texts is None:
            return None
        return RowColumns(self._numbers.names, numbers, texts)

    def _are_whole(self, rows: Sequence[_Filled]) -> bool:
        return set(map(len, rows)) == {len(self._nulls)}

    def _taken_texts(self, rows: Sequence[_Filled]) -> dict[str, Sequence[str | None]] | None:
        columns: dict[str, Sequence[str | None]] = dict(
            zip(self._texts, zip(*map(self._texts_of, rows), strict=True), strict=True)
        )
        return columns if all(takes(columns[name]) for name, takes in self._texts.items()) else None


class _NumberColumns:
    """All columns of numbers, as one array."""

    def __init__(self, fields: Sequence[RequestField]) -> None:
        self.names = tuple(field.name for field in fields)
        self._of = _gather(self.names)
        self._nullable = np.array([field.nullable for field in fields], dtype=bool)
        self._whole = np.array([field.type == "int" for field in fields], dtype=bool)
        self._added = np.where(self._whole, 0.0, -0.0)  # a whole number has no negative zero
        self._single = [place for place, field in enumerate(fields) if _is_single(field)]
        self._bounds = np.array([_bounds(field) for field in fields]).reshape(-1, 2).T
        self._listed = [
            (place, frozenset(map(single, field.values) if _is_single(field) else field.values))
            for place, field in enumerate(fields)
            if field.values is not None
        ]

    def taken(self, rows: Sequence[_Filled]) -> Floats | None:
        """A row of the array for each. Raises KeyError, TypeError and OverflowError for some odd ones."""
        flat = list(chain.from_iterable(map(self._of, rows)))
        if not _NUMBERS.issuperset(map(type, flat)):
            return None
        block = np.array(flat, dtype=np.float64).reshape(len(rows), len(self.names))
        nulls = np.isnan(block)
        if nulls.any() and (flat.count(None) != nulls.sum() or (nulls & ~self._nullable).any()):
            return None
        self._round(block)
        return block if self._is_allowed(block, nulls) else None

    def _round(self, block: Floats) -> None:
        block += self._added
        if self._single:
            with np.errstate(over="ignore"):
                block[:, self._single] = block[:, self._single].astype(np.float32)

    def _is_allowed(self, block: Floats, nulls: _Flags) -> bool:
        low, high = self._bounds
        inside = (block >= low) & (block <= high) & ((np.floor(block) == block) | ~self._whole)
        return bool((inside | nulls).all()) and all(
            values.issuperset(block[~nulls[:, place], place].tolist()) for place, values in self._listed
        )


def _is_single(field: RequestField) -> bool:
    return field.is_single and field.type != "int"


def _bounds(field: RequestField) -> tuple[float, float]:
    low, high = max(field.low, -_MOST), min(field.high, _MOST)
    if low > high:
        return np.inf, -np.inf
    return (single(low), single(high)) if _is_single(field) else (low, high)


def _takes_texts(field: RequestField) -> Callable[[Sequence[Any]], bool]:
    kinds = _TEXT_OR_NULL if field.nullable else _TEXT
    values = None if field.values is None else frozenset(field.values)
    matches = field.matches

    def takes(column: Sequence[Any]) -> bool:
        if not kinds.issuperset(map(type, column)):
            return False
        distinct = set(column) - {None}
        if values is not None and not distinct <= values:
            return False
        return matches is None or all(map(matches, distinct))

    return takes


def _gather(names: tuple[str, ...]) -> Callable[[_Filled], tuple[Any, ...]]:
    """What takes these values from a row; itemgetter itself gives no tuple for one."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda row: tuple(row[name] for name in names)
