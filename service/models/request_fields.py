"""What may stand in each field of a request: the data contract's rules and what the fitted model can take."""

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from domain.arrays import shortest
from domain.data_contract import ColumnRule, ColumnType, DataContract
from domain.feature_schema import CategoricalSpec, FeatureSchema, FeatureSpec
from domain.text_pattern import Matches, is_linear, linear_matcher
from service.processes.slow_patterns import SlowPattern

# Beyond it a product with a coefficient is infinite; within, the contract alone bounds a number.
LARGEST_NUMBER: Final = 1e300
# No whole number of 64 bits, and no count of anything, comes near.
LARGEST_INTEGER: Final = 10**30
LARGEST_SINGLE: Final = 3.4028234663852886e38
# Beyond it some JSON readers round a whole number.
LARGEST_WHOLE: Final = 2**53 - 1

Known = Mapping[str, Collection[Any]]


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
