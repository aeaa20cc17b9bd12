"""Checks the rows of a request against what travels with the model; compiled once per model, as it is hot."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from domain.arrays import single
from domain.wording import nearest
from service.models.request_fields import LARGEST_NUMBER, RequestField

_LONGEST_CAME: Final = 80
_MOST_COMPARED: Final = 300  # values that are compared sign by sign with what came
_REFUSED: Final = object()
_Take = Callable[[Any], Any]


@dataclass(frozen=True)
class InputFault:
    """One field that cannot be taken: in which row, what came, what is allowed and what may be meant."""

    row: int
    field: str
    came: str
    allowed: str
    nearest: Any = None

    def as_json(self) -> dict[str, Any]:
        """As it stands in an answer."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class RequestChecks:
    """Takes rows as JSON brought them; a field that is missing is null."""

    def __init__(self, fields: Sequence[RequestField], *, refuse_unknown: bool) -> None:
        self._fields = {field.name: field for field in fields}
        self._takes = [(field.name, _take(field)) for field in fields]
        self._refuse_unknown = refuse_unknown

    def taken(self, row: Any) -> dict[str, Any] | None:
        """The row with every feature and nothing else, each value as the model knows it.

        Ints are floats where the column says so, unless there is no such float.

        None when anything is wrong with it; `faults` says what.
        """
        if type(row) is not dict or (self._refuse_unknown and row.keys() - self._fields.keys()):
            return None
        get, taken = row.get, {}
        for name, take in self._takes:
            value = take(get(name))
            if value is _REFUSED:
                return None
            taken[name] = value
        return taken

    def faults(self, row: Any, place: int) -> Iterator[InputFault]:
        """Everything that is wrong with a row, field by field."""
        if not isinstance(row, dict):
            yield InputFault(place, "", came(row), "an object with the model's features")
            return
        for name, take in self._takes:
            if take(row.get(name)) is _REFUSED:
                yield self.fault(row, name, place)
        if self._refuse_unknown:
            for name in sorted(row.keys() - self._fields.keys()):
                yield InputFault(place, name[:_LONGEST_CAME], came(row[name]), "no such field")

    def with_nearest(self, fault: InputFault, row: Any) -> InputFault:
        """The same fault with the nearest to what came: of the listed values, or of the names of fields."""
        field = self._fields.get(fault.field)
        if field is None:
            return replace(fault, nearest=nearest(fault.field, self._fields)) if fault.field else fault
        values = field.values
        value = row.get(fault.field) if isinstance(row, dict) else None
        if not values or len(values) > _MOST_COMPARED or len(str(value)) > _LONGEST_CAME:
            return fault
        return replace(fault, nearest=nearest(value, values))

    def fault(self, row: Mapping[str, Any], name: str, place: int, allowed: str | None = None) -> InputFault:
        """Say of one field that it cannot be taken."""
        what = came(row[name]) if name in row else "nothing: the field is missing"
        return InputFault(place, name, what, allowed or self._fields[name].allowed)


def came(value: Any) -> str:
    """A value for people, of bounded length."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_CAME else f"{text[:_LONGEST_CAME]}…"


def _take(field: RequestField) -> _Take:
    if field.type == "string":
        return _take_text(field)
    return _take_whole(field) if field.type == "int" else _take_number(field)


def _take_text(field: RequestField) -> _Take:
    null = None if field.nullable else _REFUSED
    values = None if field.values is None else frozenset(field.values)
    matches = field.matches

    def take(value: Any) -> Any:
        if value is None:
            return null
        if type(value) is not str or (values is not None and value not in values):
            return _REFUSED
        return value if matches is None or matches(value) else _REFUSED

    return take


def _take_number(field: RequestField) -> _Take:
    if field.is_single:
        return _take_single(field)
    null = None if field.nullable else _REFUSED
    values = None if field.values is None else frozenset(field.values)
    low, high = field.low, field.high

    def take(value: Any) -> Any:
        if value is None:
            return null
        kind = type(value)  # not isinstance: a truth value is an int, not a number
        # NaN is in no interval.
        if (kind is not float and kind is not int) or not low <= value <= high:
            return _REFUSED
        if values is not None and value not in values:
            return _REFUSED
        return number if (number := float(value)) == value else value

    return take


def _take_single(field: RequestField) -> _Take:
    """Compare and hand on numbers of 32 bits, whichever way a caller spells them."""
    take_nearest = _take_number(
        replace(
            field,
            low=single(field.low),
            high=single(field.high),
            values=None if field.values is None else tuple(map(single, field.values)),
            is_single=False,
        )
    )

    def take(value: Any) -> Any:
        kind = type(value)
        if kind is int and abs(value) > LARGEST_NUMBER:
            return _REFUSED
        return take_nearest(single(value) if kind is float or kind is int else value)

    return take


def _take_whole(field: RequestField) -> _Take:
    null = None if field.nullable else _REFUSED
    values = None if field.values is None else frozenset(field.values)
    low, high = field.low, field.high

    def take(value: Any) -> Any:
        if value is None:
            return null
        kind = type(value)
        if (kind is not int and kind is not float) or not low <= value <= high or value % 1:
            return _REFUSED
        return int(value) if values is None or value in values else _REFUSED

    return take
