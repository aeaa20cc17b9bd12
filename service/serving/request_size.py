"""Whether a body is worth reading: JSON of few bytes may become objects of many."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from service.runtime.web.problems import ProblemDetails

_FEW_VALUES: Final = 200_000  # so many take little memory, whatever they are
_MOST_VALUES: Final = 10_000  # of one row
_MOST_NESTED: Final = 1_000  # objects and lists in one row
_NESTED_EACH: Final = 10  # of them in each of the most rows
# Up to the next bracket that stands in no text. A text without an end is passed in one go, too.
_TO_BRACKET: Final = re.compile(rb'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+"?)*+([\[\]{}]|\Z)', re.DOTALL)
_DEEPEST: Final = 200
_OPENING: Final = frozenset({b"[", b"{"})


def refuse_oversize(body: bytes, max_rows: int) -> None:
    """Raise Problem for too many rows, or a row too large, before they are objects that take memory."""
    if _opening(body) > max_rows + 1 or body.count(b",") > _FEW_VALUES:
        _measure(body, max_rows)


def refuse_large_row(body: bytes, asked: object, max_rows: int) -> None:
    """Raise Problem for a row too large in a small body; `asked` is what was read from it.

    Only a body with more brackets than its rows need is measured: in one without, a row's length says it.
    """
    rows = asked if isinstance(asked, list) else [asked]
    if _opening(body) > len(rows) + isinstance(asked, list):
        _measure(body, max_rows)
    elif any(isinstance(row, dict) and len(row) > _MOST_VALUES for row in rows):
        raise _too_many_values()


def _opening(body: bytes) -> int:
    return body.count(b"[") + body.count(b"{")


def _measure(body: bytes, max_rows: int) -> None:
    """Raise Problem. Commas in texts count as if they parted values."""
    size = _Size(max_rows, is_list=body.lstrip()[:1] == b"[")
    for bracket, commas in _brackets(body):
        size.take(bracket, commas)


def _brackets(body: bytes) -> Iterator[tuple[bytes, int]]:
    """Each bracket, and how many commas stand before it."""
    last = 0
    for found in _TO_BRACKET.finditer(body):
        yield found[1], body.count(b",", last, found.end())
        last = found.end()


class _Size:
    def __init__(self, max_rows: int, *, is_list: bool) -> None:
        self._max_rows = max_rows
        self._row_depth = 2 if is_list else 1
        self._depth = 0
        self._rows = 1
        self._values = self._nested = 0  # of the row
        self._brackets = 0

    def take(self, bracket: bytes, commas: int) -> None:
        """Count one bracket and the commas before it. Raises Problem."""
        if self._depth < self._row_depth:
            self._rows += commas
            self._values = self._nested = 0
        else:
            self._values += commas
        opened = bracket in _OPENING
        self._nested += opened
        self._brackets += opened
        self._depth += 1 if opened else -1
        self._refuse()

    def _refuse(self) -> None:
        if self._depth > _DEEPEST:
            detail = f"the body is not JSON: nested more than {_DEEPEST} levels deep"
            raise ProblemDetails(HTTPStatus.BAD_REQUEST, "not_json", detail)
        if self._rows > self._max_rows:
            raise too_many_rows(f"more than {self._max_rows} rows came", self._max_rows)
        if self._values > _MOST_VALUES:
            raise _too_many_values()
        if self._nested > _MOST_NESTED or self._brackets > _MOST_NESTED + _NESTED_EACH * self._max_rows:
            raise _too_large(
                f"a row has more than {_MOST_NESTED} objects and lists, or all rows together too many"
            )


def _too_many_values() -> ProblemDetails:
    return _too_large(f"a row has more than {_MOST_VALUES} values")


def _too_large(detail: str) -> ProblemDetails:
    return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, "row_too_large", detail)


def too_many_rows(came: str, most: int) -> ProblemDetails:
    """Say how many are taken."""
    detail = f"{came}, at most {most} are allowed at once"
    return ProblemDetails(HTTPStatus.UNPROCESSABLE_ENTITY, "too_many_rows", detail)
