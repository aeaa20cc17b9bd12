"""What every split rule is: which rows of a master train, and which judge.

A rule describes its parts once, as sets of rows, and a data engine says which rows they are: so the
same description decides in any engine, and a new rule is a class in `domain.split_rules`.
"""

import re
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, Final, NamedTuple, Protocol, Self, TypeVar

from pydantic import Field, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from domain.data_contract import DataContract
from domain.faults import Fault
from domain.values import ConfigVersion, Value

TRAIN: Final = "train"
REFERENCE: Final = "reference"

Number = StrictInt | StrictFloat
Locality = StrictStr | StrictInt
_FILE_NAME: Final = re.compile(r"[\w.\- ]{1,150}")  # what a file name and a metric's name can carry


class RowSet(Protocol):
    """Some rows of a master: each is in it or not."""

    def __and__(self, other: Self, /) -> Self:
        """Both."""

    def __or__(self, other: Self, /) -> Self:
        """One of them, or both."""

    def __invert__(self) -> Self:
        """The other rows."""


C = TypeVar("C", bound=RowSet)
Answer_co = TypeVar("Answer_co", bound=RowSet, covariant=True)


class Rows(Protocol[Answer_co]):
    """What a rule may ask of a master's rows. A row without a period is in none of the last four."""

    def every(self) -> Answer_co:
        """All rows."""

    def among(self, column: str, values: tuple[Locality, ...]) -> Answer_co:
        """Rows that hold one of the values in this column; a null is none of them."""

    def hashed_below(self, columns: tuple[str, ...], salt: str, threshold: int) -> Answer_co:
        """Rows whose key hashes to a position below the threshold; `HashSplit` says how."""

    def before(self, period: Number) -> Answer_co:
        """Rows of an earlier period."""

    def after(self, period: Number) -> Answer_co:
        """Rows of a later period."""

    def between(self, first: Number, last: Number | None) -> Answer_co:
        """Rows of these periods, both inclusive; without `last`, of all from `first` on."""

    def recent(self, duration: int) -> Answer_co:
        """Rows later than the master's latest period less the duration."""


class Localities(NamedTuple):
    """A column, and those of its values whose rows are held back."""

    column: str
    names: tuple[Locality, ...]


class MovingTests(Value):
    """The most recent test rows: for each duration d, those later than the master's latest period - d."""

    durations: Annotated[tuple[Annotated[StrictInt, Field(ge=1)], ...], Field(max_length=100)] = ()

    @field_validator("durations")
    @classmethod
    def _each_once(cls, durations: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(durations)) != len(durations):
            raise ValueError("names a duration twice")
        return durations


class SplitRule(Value):
    """What all rules share. A rule says what its parts are, and which columns it names."""

    version: Annotated[ConfigVersion, Field(strict=True)]
    data_contract: Annotated[ConfigVersion, Field(strict=True)]
    periodic_column: StrictStr | None = None
    moving_test_period: MovingTests | None = None

    @abstractmethod
    def parts(self, rows: Rows[C]) -> Iterator[tuple[str, C]]:
        """Yield each part and its rows: train, the reference, then the moving tests."""

    @property
    def named_columns(self) -> tuple[tuple[str, str], ...]:
        """(place in the file, column) of the columns that this rule alone names."""
        return ()

    @property
    @abstractmethod
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that say whether a row may stand in the reference."""

    @property
    def reference_bounds(self) -> tuple[Number, Number] | None:
        """The first and the last period of the reference; None when it has no end or no period."""
        return None

    @property
    def localities(self) -> Localities | None:
        """The localities that are held back, if this rule names some."""
        return None

    def faults(self, _contract: DataContract) -> Iterator[Fault]:
        """Yield what this rule alone asks of the contract's columns and does not get."""
        yield from ()

    @property
    def moving_tests(self) -> tuple[tuple[str, int], ...]:
        """(name, duration) of each optional test: `recent_<duration>_<periodic column>`."""
        durations = self.moving_test_period.durations if self.moving_test_period else ()
        return tuple((f"recent_{duration}_{self.periodic_column}", duration) for duration in durations)

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"splits/v{self.version}.yaml"

    @model_validator(mode="after")
    def _tests_can_be_named(self) -> Self:
        for name, _ in self.moving_tests:
            if self.periodic_column is None:
                raise ValueError("moving_test_period needs periodic_column")
            if not _FILE_NAME.fullmatch(name):
                raise ValueError(f"no file or metric can be named {name!r}: rename the periodic column")
        return self

    def _mismatch(self, field: str, message: str) -> Fault:
        return Fault(code="bad_config", field=field, message=message, file=self.file)

    def _tests(self, rows: Rows[C], among: C) -> Iterator[tuple[str, C]]:
        """Yield the moving tests of the rows that do not train."""
        yield from ((name, among & rows.recent(duration)) for name, duration in self.moving_tests)
