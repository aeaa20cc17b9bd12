"""The split rules: which rows train, which judge. A new one is a class here, and a line of `SplitRules`.

The file is `splits/vN.yaml`; `split_strategy` says which rule. The reference is made once and then adopted
for ever, so each rule keeps a row that may stand in the reference out of train, however the master grows.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictStr, TypeAdapter, model_validator

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.split_rule import REFERENCE, TRAIN, C, Localities, Locality, Number, Rows, SplitRule
from domain.values import Value


class ReferencePeriod(Value):
    """From `min` to `max`, both inclusive."""

    min: Number
    max: Number

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class OpenReferencePeriod(Value):
    """From `min`, inclusive, to `max`, inclusive; without `max`, all that was there when it was made."""

    min: Number
    max: Number | None = None

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class GeographicSplit(SplitRule):
    """Whole localities are held back; the reference is a fixed period of theirs.

    Train is every row whose locality is not a test locality, a null locality included.
    """

    split_strategy: Literal["geographic"]
    geographic_column: StrictStr
    periodic_column: StrictStr
    test_localities: Annotated[tuple[Locality, ...], Field(min_length=1)]
    reference_test_period: ReferencePeriod

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The locality's column."""
        return (("geographic_column", self.geographic_column),)

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""
        return self.geographic_column, self.periodic_column

    @property
    def reference_bounds(self) -> tuple[Number, Number]:
        """The first and the last period of the reference."""
        return self.reference_test_period.min, self.reference_test_period.max

    @property
    def localities(self) -> Localities:
        """The localities that are held back."""
        return Localities(self.geographic_column, self.test_localities)

    def parts(self, rows: Rows[C]) -> Iterator[tuple[str, C]]:
        """Yield each part and its rows."""
        held_back = rows.among(self.geographic_column, self.test_localities)
        yield TRAIN, ~held_back
        yield REFERENCE, held_back & rows.between(*self.reference_bounds)
        yield from self._tests(rows, held_back)

    def faults(self, contract: DataContract) -> Iterator[Fault]:
        """Yield localities that cannot stand in their column."""
        rule = contract.columns.get(self.geographic_column)
        if rule is None:
            return
        if rule.type == "float":
            message = f"{self.geographic_column} is type: float; localities are text or integers"
            yield self._mismatch("geographic_column", message)
            return
        wanted, column = str if rule.type == "string" else int, self.geographic_column
        for place, locality in enumerate(self.test_localities):
            field = f"test_localities.{place}"
            if not isinstance(locality, wanted):
                message = f"{locality!r} can not stand in {column}, which is type: {rule.type}"
                yield self._mismatch(field, message)
            elif rule.allowed_values is not None and locality not in rule.allowed_values:
                yield self._mismatch(field, f"{locality!r} is not among the allowed values of {column}")


class HashSplit(SplitRule):
    """A row's side depends on its key and a salt alone, so no row changes sides as the master grows.

    The definition, so that anyone can repeat it: the canonical bytes of a key are the salt and then each
    key column's value in order, each as a netstring `<length in bytes>:<bytes>,` (text as UTF-8, an integer
    as its decimal digits with a minus sign if negative). `position` is the XXH64 of these bytes with seed 0.
    A row is a test row when position < floor(test_fraction · 2⁶⁴). The reference is the test rows of the
    reference period, or, without one, all test rows that were there when it was made.
    """

    split_strategy: Literal["hash"]
    key_columns: Annotated[tuple[StrictStr, ...], Field(min_length=1)]
    salt: StrictStr = ""
    test_fraction: Annotated[float, Field(gt=0.0, lt=1.0, strict=True)]
    reference_test_period: ReferencePeriod | None = None

    @property
    def threshold(self) -> int:
        """The first position that trains. Exact: 0.1 is a tenth, not the float nearest to it."""
        return int(Fraction(repr(self.test_fraction)) * 2**64)

    @model_validator(mode="after")
    def _period_has_a_column(self) -> Self:
        if self.reference_test_period is not None and self.periodic_column is None:
            raise ValueError("reference_test_period needs periodic_column")
        return self

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """The key's columns."""
        return tuple((f"key_columns.{place}", name) for place, name in enumerate(self.key_columns))

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""
        period = self.periodic_column if self.reference_test_period else None
        return self.key_columns if period is None else (*self.key_columns, period)

    @property
    def reference_bounds(self) -> tuple[Number, Number] | None:
        """The first and the last period of the reference; None when it has no period."""
        period = self.reference_test_period
        return None if period is None else (period.min, period.max)

    def parts(self, rows: Rows[C]) -> Iterator[tuple[str, C]]:
        """Yield each part and its rows."""
        held_back = rows.hashed_below(self.key_columns, self.salt, self.threshold)
        bounds = self.reference_bounds
        yield TRAIN, ~held_back
        yield REFERENCE, held_back & (rows.every() if bounds is None else rows.between(*bounds))
        yield from self._tests(rows, held_back)

    def faults(self, contract: DataContract) -> Iterator[Fault]:
        """Yield key columns that cannot be hashed."""
        for place, name in enumerate(self.key_columns):
            rule = contract.columns.get(name)
            if rule is None:
                continue
            field = f"key_columns.{place}"
            if rule.type == "float":
                yield self._mismatch(field, f"{name} is type: float; a hashed key is text or an integer")
            if name not in contract.never_null:
                message = (
                    f"{name} may be null in data contract {contract.version}; a key that is hashed may not"
                )
                yield self._mismatch(field, message)


class TemporalSplit(SplitRule):
    """Learn from what came before, judge on what came after.

    Train is every row before the reference period; with `rows_after: train` also those after it, which lets
    new rows be learned from at the price of a test that is no longer the future. A row without a period can
    not be shown to come before the test, and is used for nothing. Moving tests are rows that do not train.
    """

    split_strategy: Literal["temporal"]
    periodic_column: StrictStr
    reference_test_period: OpenReferencePeriod
    rows_after: Literal["unused", "train"] = "unused"

    @model_validator(mode="after")
    def _later_rows_train_or_test(self) -> Self:
        if self.rows_after == "train" and self.reference_test_period.max is None:
            raise ValueError("rows_after: train needs reference_test_period.max: nothing comes after it")
        if self.rows_after == "train" and self.moving_tests:
            raise ValueError("rows_after: train leaves no later rows for moving_test_period")
        return self

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""
        return (self.periodic_column,)

    @property
    def reference_bounds(self) -> tuple[Number, Number] | None:
        """The first and the last period of the reference; None when it has no end."""
        period = self.reference_test_period
        return None if period.max is None else (period.min, period.max)

    def parts(self, rows: Rows[C]) -> Iterator[tuple[str, C]]:
        """Yield each part and its rows."""
        period = self.reference_test_period
        before = rows.before(period.min)
        if self.rows_after == "train" and period.max is not None:
            yield TRAIN, before | rows.after(period.max)
        else:
            yield TRAIN, before
        yield REFERENCE, rows.between(period.min, period.max)
        yield from self._tests(rows, ~before)


SplitRules = Annotated[GeographicSplit | HashSplit | TemporalSplit, Field(discriminator="split_strategy")]

SPLIT_RULES: Final[TypeAdapter[SplitRules]] = TypeAdapter(SplitRules)  # reads any of them, by its strategy
