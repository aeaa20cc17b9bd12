"""What may stand in each field of a request: the data contract's rules and what the fitted model can take.

The checks of rows are compiled once per model, as they are hot.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

from domain.arrays import shortest, single
from domain.data_contract import ColumnRule, ColumnType, DataContract
from domain.feature_schema import CategoricalSpec, FeatureSchema, FeatureSpec
from domain.text_pattern import Matches, is_linear, linear_matcher
from domain.wording import nearest
from service.processes.slow_patterns import SlowPattern

# Beyond it a product with a coefficient is infinite; within, the contract alone bounds a number.
LARGEST_NUMBER: Final = 1e300
# No whole number of 64 bits, and no count of anything, comes near.
LARGEST_INTEGER: Final = 10**30
LARGEST_SINGLE: Final = 3.4028234663852886e38
# Beyond it some JSON readers round a whole number.
LARGEST_WHOLE: Final = 2**53 - 1

Known = Mapping[str, Collection[object]]


@dataclass(frozen=True)
class RequestField:
    """One feature as a request brings it. `low` and `high` are inclusive; `values` None: any.

    `sample` is a text that training saw, if it is known. `is_single`: the model knows the number in 32 bits,
    and so is it compared; here it stands as people spell it.
    """

    name: str
    type: ColumnType
    nullable: bool
    low: float = -math.inf
    high: float = math.inf
    values: tuple[Any, ...] | None = None
    format: str | None = None
    sample: str | None = None
    is_single: bool = False

    @cached_property
    def allowed(self) -> str:
        """What may stand here, as a sentence for people."""
        return f"{self._what()}{', or null' if self.nullable else ''}"

    @cached_property
    def matches(self) -> Matches | None:
        """Whether a whole text is of the `format`; None when there is none."""
        if self.format is None:
            return None
        return SlowPattern(self.format) if self.is_slow else linear_matcher(self.format)

    @cached_property
    def is_slow(self) -> bool:
        """True when another process has to be asked for each text: nobody else should wait for that."""
        return self.format is not None and not is_linear(self.format)

    def _what(self) -> str:
        if self.values is not None:
            return f"one of {', '.join(map(repr, self.values))}"
        if self.type == "string":
            return "text" if self.format is None else f"text of the form {self.format}"
        kind = "a whole number" if self.type == "int" else "a number"
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("from", self.low), ("to", self.high))
            if abs(bound) not in {LARGEST_NUMBER, LARGEST_SINGLE, LARGEST_INTEGER}
        ]
        return " ".join([kind, *bounds])


def request_fields(
    features: FeatureSchema,
    contract: DataContract,
    known: Known | None = None,
    singles: Collection[str] = (),
) -> tuple[RequestField, ...]:
    """The features in the model's order.

    `known` are categories that the fitted encoders hold, by column; `singles` are columns whose numbers the
    model knows in 32 bits.
    """
    return tuple(
        _field(name, spec, contract, (known or {}).get(name), is_single=name in singles)
        for name, spec in features.tabular_features.items()
    )


def _field(
    name: str, spec: FeatureSpec, contract: DataContract, known: Collection[Any] | None, *, is_single: bool
) -> RequestField:
    rule = contract.columns[name]
    nullable = name not in contract.never_null and not _needs_value(spec)
    if not rule.is_number:
        sample = next((value for value in known or () if isinstance(value, str)), None)
        values = _values(rule, spec, known)
        return RequestField(name, rule.type, nullable, values=values, format=rule.format, sample=sample)
    if is_single and known is not None:
        known = tuple(map(shortest, known))
    most = LARGEST_SINGLE if is_single else LARGEST_INTEGER if rule.type == "int" else LARGEST_NUMBER
    return RequestField(
        name,
        rule.type,
        nullable,
        low=-most if rule.min is None else max(-most, rule.min),
        high=most if rule.max is None else min(most, rule.max),
        values=_values(rule, spec, known),
        is_single=is_single,
    )


def _needs_value(spec: FeatureSpec) -> bool:
    """An encoder of codes knows no null, unless it is filled before."""
    return isinstance(spec, CategoricalSpec) and not spec.encoder.takes_unseen and spec.impute is None


def _values(rule: ColumnRule, spec: FeatureSpec, known: Collection[Any] | None) -> tuple[Any, ...] | None:
    """The values that pass the contract and that the encoder has a code for, in the contract's order."""
    lists = [*_lists(rule, spec, known)]
    if not lists:
        return None
    return tuple(value for value in lists[0] if all(value in others for others in lists[1:]))


def _lists(rule: ColumnRule, spec: FeatureSpec, known: Collection[Any] | None) -> Iterator[Collection[Any]]:
    if rule.allowed_values is not None:
        yield rule.allowed_values
    if not isinstance(spec, CategoricalSpec) or spec.encoder.takes_unseen:
        return
    if spec.order is not None:
        yield (*spec.order, *([spec.fill] if _fill_has_a_code(spec) else []))
    elif known is not None:
        yield tuple(known)


def _fill_has_a_code(spec: CategoricalSpec) -> bool:
    return spec.impute == "constant" and spec.fill not in (spec.order or ())


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
