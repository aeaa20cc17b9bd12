"""The split rules: which rows train, which judge.

The file is `splits/vN.yaml`; `split_strategy` says which rule. A rule is a value, and pure: given what one
row holds, it names the parts that the row belongs to. The reference is made once and then adopted for ever,
so each rule keeps a row that may stand in the reference out of train, however the master grows.
"""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Annotated, Final, Literal, Self

from pydantic import (
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    field_validator,
    model_validator,
)

from domain.values import ConfigVersion, Value

TRAIN: Final = "train"
REFERENCE: Final = "reference"

Number = StrictInt | StrictFloat
Period = float | int | None
Locality = StrictStr | StrictInt
_FILE_NAME: Final = re.compile(r"[\w.\- ]{1,150}")  # what a file name and a metric's name can carry


class ReferencePeriod(Value):
    """From `min` to `max`, both inclusive."""

    min: Number
    max: Number

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self

    def holds(self, period: Period) -> bool:
        """True when the period is known and inside."""
        return period is not None and self.min <= period <= self.max


class OpenReferencePeriod(Value):
    """From `min`, inclusive, to `max`, inclusive; without `max`, all that was there when it was made."""

    min: Number
    max: Number | None = None

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is more than max {self.max}")
        return self


class MovingTests(Value):
    """The most recent test rows: for each duration d, those later than the master's latest period - d."""

    durations: Annotated[tuple[Annotated[StrictInt, Field(ge=1)], ...], Field(max_length=100)] = ()

    @field_validator("durations")
    @classmethod
    def _each_once(cls, durations: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(durations)) != len(durations):
            raise ValueError("names a duration twice")
        return durations


class _Rules(Value):
    """What all rules share."""

    version: Annotated[ConfigVersion, Field(strict=True)]
    data_contract: Annotated[ConfigVersion, Field(strict=True)]
    periodic_column: StrictStr | None = None
    moving_test_period: MovingTests | None = None

    @property
    def moving_tests(self) -> tuple[tuple[str, int], ...]:
        """(name, duration) of each optional test: `recent_<duration>_<periodic column>`."""
        durations = self.moving_test_period.durations if self.moving_test_period else ()
        return tuple((f"recent_{duration}_{self.periodic_column}", duration) for duration in durations)

    @model_validator(mode="after")
    def _tests_can_be_named(self) -> Self:
        for name, _ in self.moving_tests:
            if self.periodic_column is None:
                raise ValueError("moving_test_period needs periodic_column")
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"no file and no metric can be named {name!r}: rename the periodic column")
        return self

    def _recent(self, period: Period, latest: Period) -> Iterator[str]:
        if period is not None and latest is not None:
            yield from (name for name, duration in self.moving_tests if period > latest - duration)


class GeographicSplit(_Rules):
    """Whole localities are held back; the reference is a fixed period of theirs.

    Train is every row whose locality is not a test locality, a null locality included.
    """

    split_strategy: Literal["geographic"]
    geographic_column: StrictStr
    periodic_column: StrictStr
    test_localities: Annotated[tuple[Locality, ...], Field(min_length=1)]
    reference_test_period: ReferencePeriod

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""
        return self.geographic_column, self.periodic_column

    def parts_of(self, locality: str | int | None, period: Period, latest: Period) -> frozenset[str]:
        """Name the parts of a row; `latest` is the largest period of the whole master."""
        if locality not in self.test_localities:
            return frozenset({TRAIN})
        tests = set(self._recent(period, latest))
        return frozenset(tests | {REFERENCE} if self.reference_test_period.holds(period) else tests)


class HashSplit(_Rules):
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
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""
        period = self.periodic_column if self.reference_test_period else None
        return self.key_columns if period is None else (*self.key_columns, period)

    def parts_of(self, position: int, period: Period, latest: Period) -> frozenset[str]:
        """Name the parts of a row whose key hashes to `position`, 0 ≤ position < 2⁶⁴."""
        if position >= self.threshold:
            return frozenset({TRAIN})
        tests = set(self._recent(period, latest))
        inside = self.reference_test_period is None or self.reference_test_period.holds(period)
        return frozenset(tests | {REFERENCE} if inside else tests)


class TemporalSplit(_Rules):
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

    def parts_of(self, period: Period, latest: Period) -> frozenset[str]:
        """Name the parts of a row."""
        if period is None:
            return frozenset()
        reference = self.reference_test_period
        if period < reference.min:
            return frozenset({TRAIN})
        tests = set(self._recent(period, latest))
        if reference.max is None or period <= reference.max:
            return frozenset(tests | {REFERENCE})
        return frozenset(tests | {TRAIN} if self.rows_after == "train" else tests)


SplitRules = Annotated[GeographicSplit | HashSplit | TemporalSplit, Field(discriminator="split_strategy")]

SPLIT_RULES: Final[TypeAdapter[SplitRules]] = TypeAdapter(SplitRules)  # reads any of them, by its strategy
