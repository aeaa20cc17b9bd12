"""The split rule as expressions of the data engine: where each row of the master stands; and the files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import polars as pl

from domain.datasets import HELD_BACK_OUTSIDE, LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.split_rule import REFERENCE, TRAIN, Locality, Number, SplitRule
from service.adapters.polars.frames import Dataset, all_of, exactly, is_among, value_of
from service.adapters.polars.key_hash import positions
from service.adapters.polars.row_groups import PartWriter


@dataclass(frozen=True)
class RowExpressions:
    """`period` is each row's; `latest` the master's latest one, None when no row is recent.

    `asked` are the columns of answers that were given, `first` those that must be added before, by name:
    `hashed` says which of them is the position of which key.
    """

    dataset: Dataset
    period: pl.Expr
    latest: Number | None
    asked: set[str] = field(default_factory=set)
    first: dict[str, pl.Expr] = field(default_factory=dict)
    hashed: dict[frozenset[str], str] = field(default_factory=dict)

    def every(self) -> pl.Expr:
        """All rows."""
        return pl.lit(value=True)

    def among(self, column: str, values: tuple[Locality, ...]) -> pl.Expr:
        """Rows that hold one of the values in this column."""
        self.asked.add(column)
        return _known(is_among(column, self.dataset.schema[column], values))

    def hashed_below(self, columns: tuple[str, ...], salt: str, threshold: int) -> pl.Expr:
        """Rows whose key hashes to a position below the threshold; null where a key is null."""
        self.asked.update(columns)
        name = _unused(f"__laurel_first_{len(self.first)}", self.dataset)
        self.first[name] = positions(columns, salt, self.dataset.schema).alias(name)
        self.hashed[frozenset(columns)] = name
        return exactly(name) < pl.lit(threshold, dtype=pl.UInt64)

    def before(self, period: Number) -> pl.Expr:
        """Rows of an earlier period."""
        return _known(self.period < period)

    def after(self, period: Number) -> pl.Expr:
        """Rows of a later period."""
        return _known(self.period > period)

    def between(self, first: Number, last: Number | None) -> pl.Expr:
        """Rows of these periods, both inclusive."""
        return _known(self.period >= first if last is None else self.period.is_between(first, last))

    def recent(self, duration: int) -> pl.Expr:
        """Rows later than the latest period less the duration."""
        return pl.lit(value=False) if self.latest is None else _known(self.period > self.latest - duration)


def _known(condition: pl.Expr) -> pl.Expr:
    return condition.fill_null(value=False)


SIDE: Final = "standing"


class RowSide(IntEnum):
    """Each row has one. A row that JUDGES may stand in the reference, one that TESTS in a moving test."""

    TRAINS = 0
    JUDGES_AND_TESTS = 1
    JUDGES = 2
    TESTS = 3
    NO_PERIOD = 4
    OUTSIDE = 5


Counts = Mapping[RowSide, int]


def side_of(predicates: Mapping[str, pl.Expr], without_period: pl.Expr) -> pl.Expr:
    """The number of each row's standing."""
    tests = [rule for part, rule in predicates.items() if part not in {TRAIN, REFERENCE}]
    tested = pl.any_horizontal(tests) if tests else pl.lit(value=False)
    judges = predicates[REFERENCE]
    first_that_holds = {
        RowSide.TRAINS: predicates[TRAIN],
        RowSide.JUDGES_AND_TESTS: judges & tested,
        RowSide.JUDGES: judges,
        RowSide.TESTS: tested,
        RowSide.NO_PERIOD: without_period,
    }
    found = pl.lit(RowSide.OUTSIDE.value, dtype=pl.Int8)
    for side, rule in reversed(first_that_holds.items()):
        found = pl.when(rule).then(pl.lit(side.value, dtype=pl.Int8)).otherwise(found)
    return found


def counts_of(side: pl.Expr) -> list[pl.Expr]:
    """How many rows stand where; `read_counts` reads them."""
    return [(side == one.value).sum().alias(f"{SIDE} {one.name}") for one in RowSide]


def read_counts(row: Mapping[str, int]) -> Counts:
    """What `counts_of` counted, in a row of the answer."""
    return {one: row[f"{SIDE} {one.name}"] for one in RowSide}


def made_reference(master: Counts) -> Counts:
    """The rows of a reference that is made now: all that may stand in it."""
    judging = {RowSide.JUDGES_AND_TESTS, RowSide.JUDGES}
    return {one: master[one] if one in judging else 0 for one in RowSide}


def fates_of(master: Counts, reference: Counts) -> RowFates:
    """The fates of the master's rows; `reference` are those of them that the reference holds."""
    left = {one: master[one] - reference[one] for one in RowSide}
    return RowFates(
        train=left[RowSide.TRAINS],
        reference=sum(reference.values()),
        tests=left[RowSide.JUDGES_AND_TESTS] + left[RowSide.TESTS],
        unused={
            LATE_FOR_REFERENCE: left[RowSide.JUDGES],
            NO_PERIOD: left[RowSide.NO_PERIOD],
            HELD_BACK_OUTSIDE: left[RowSide.OUTSIDE],
        },
    )


@dataclass(frozen=True)
class Plan:
    """Which rows go where: the number of rows of each part, in the rules' order.

    The parts are train, reference, and the moving tests. `answers` says in a few bits where each row of the
    master goes: `predicates` and `side` are asked of it, or of `frame`, which has it beside the master's own
    columns. `counts` says how many rows have which side, `below_zero` how many that may judge have a target
    below 0.
    """

    dataset: Dataset
    answers: pl.DataFrame
    predicates: Mapping[str, pl.Expr]
    side: pl.Expr
    rows: Mapping[str, int]
    counts: Counts
    below_zero: int

    @property
    def frame(self) -> pl.LazyFrame:
        """The master with the answers beside it."""
        return pl.concat([self.dataset.frame, self.answers.lazy()], how="horizontal")


class _Answered(NamedTuple):
    answers: pl.DataFrame
    counted: Mapping[str, int]
    chosen: list[pl.DataFrame]


_WITHOUT_PERIOD: Final = "without period"  # beside the names of parts
_BELOW_ZERO: Final = "below zero"


class Planner:
    """Looks at each batch of a master once, finds out where its rows go, and has the `writers` write them.

    With a `target` it counts those below 0 among the rows that may judge.
    """

    def __init__(
        self,
        dataset: Dataset,
        rules: SplitRule,
        target: str | None = None,
        writers: Mapping[str, PartWriter] = MappingProxyType({}),
    ) -> None:
        period = _period(dataset, rules)
        self._dataset = dataset
        self._rows = RowExpressions(dataset, period, _latest(dataset, rules, period))
        parts = dict(rules.parts(self._rows))
        self._answers: list[pl.DataFrame] = []
        self._counted: Counter[str] = Counter()
        questions = {**parts, _WITHOUT_PERIOD: period.is_null()}
        self._names = {asked: _unused(f"__laurel_{asked}", dataset) for asked in questions}
        self._questions = [question.alias(self._names[asked]) for asked, question in questions.items()]
        self._predicates = {part: exactly(self._names[part]) for part in parts}
        self._side = side_of(self._predicates, exactly(self._names[_WITHOUT_PERIOD]))
        self._sums = [
            *counts_of(self._side),
            *(rule.sum().alias(part) for part, rule in self._predicates.items()),
        ]
        below = pl.lit(value=False) if target is None else value_of(target, dataset.schema[target]) < 0
        self._sums.append((self._predicates[REFERENCE] & below).sum().alias(_BELOW_ZERO))
        self._writers = writers
        asked = {*self._rows.asked, *_named(rules.periodic_column), *_named(target)}
        self.columns = {*dataset.schema.names()} if writers else asked

    @property
    def positions(self) -> Mapping[frozenset[str], pl.Expr]:
        """The position of each key that the rules hash, by its columns; `prepared` batches have it."""
        return {columns: self._rows.first[name] for columns, name in self._rows.hashed.items()}

    def prepared(self, batch: pl.DataFrame) -> pl.DataFrame:
        """Add what takes long and others may ask for too. Raises PolarsError."""
        return batch.with_columns(self._rows.first.values())

    def look(self, batch: pl.DataFrame) -> _Answered:
        """Look at some prepared rows, in any thread. Raises PolarsError."""
        answered = batch.with_columns(self._questions)
        counted = answered.select(self._sums).row(0, named=True)
        return _Answered(answered.select(all_of(self._names.values())), counted, self._chosen(answered))

    def _chosen(self, answered: pl.DataFrame) -> list[pl.DataFrame]:
        """The rows of each part; of all parts at once, which takes half as long as one by one."""
        if not self._writers:
            return []
        flags = answered.select(self._predicates[part].alias(part) for part in self._writers)
        places = [flag.arg_true() for flag in flags]
        rows = answered.select(all_of(self._dataset.schema.names()))[pl.concat(places)]
        ends = accumulate(one.len() for one in places)
        return [rows.slice(end - one.len(), one.len()) for one, end in zip(places, ends, strict=True)]

    def take(self, look: _Answered) -> None:
        """Take what was found about the rows that come next. Raises OSError, which a draft keeps."""
        self._answers.append(look.answers)
        self._counted.update(look.counted)
        for writer, rows in zip(self._writers.values(), look.chosen, strict=True):
            writer.add(rows)

    def finish(self) -> None:
        """Finish the files. Raises OSError, which a draft keeps."""
        for writer in self._writers.values():
            writer.add(None)  # so that they finish side by side
        for writer in self._writers.values():
            writer.close()

    def plan(self) -> Plan:
        """Tell where all rows go that were seen."""
        return Plan(
            dataset=self._dataset,
            answers=pl.concat(self._answers, rechunk=True),
            predicates=self._predicates,
            side=self._side,
            rows={part: self._counted[part] for part in self._predicates},
            counts=read_counts(self._counted),
            below_zero=self._counted[_BELOW_ZERO],
        )


def outside(dataset: Dataset, rules: SplitRule) -> pl.LazyFrame:
    """The rows of `dataset` that may not stand in the reference by the rules."""
    rows = RowExpressions(dataset, _period(dataset, rules), latest=None)
    judging = dict(rules.parts(rows))[REFERENCE]
    return dataset.frame.with_columns(rows.first.values()).filter(~judging.fill_null(value=False))


def rows_of(plan: Plan, part: str) -> pl.LazyFrame:
    """The master's rows of one part, in its order, with its columns."""
    return plan.frame.filter(plan.predicates[part]).select(all_of(plan.dataset.schema.names()))


def in_order(columns: Iterable[str], dataset: Dataset) -> list[str]:
    """These columns as the file orders them."""
    wanted = set(columns)
    return [name for name in dataset.schema.names() if name in wanted]


def _named(name: str | None) -> tuple[str, ...]:
    return () if name is None else (name,)


def _unused(name: str, dataset: Dataset) -> str:
    while name in dataset.schema:
        name += "_"
    return name


def _latest(dataset: Dataset, rules: SplitRule, period: pl.Expr) -> Number | None:
    """The latest period of the whole master; None without periods, or when no test asks for it."""
    if not rules.moving_tests or rules.periodic_column is None:
        return None
    latest: object = dataset.frame.select(period.max()).collect(engine="streaming").item()
    return cast("Number | None", latest)


def _period(dataset: Dataset, rules: SplitRule) -> pl.Expr:
    name = rules.periodic_column
    return pl.lit(None) if name is None else value_of(name, dataset.schema[name])
