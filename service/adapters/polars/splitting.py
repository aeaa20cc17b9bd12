"""The split rule as expressions of the data engine: where each row of the master stands; and the files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import IO, Final, cast

import polars as pl
from xxhash import xxh64_intdigest

from domain.datasets import HELD_BACK_OUTSIDE, LATE_FOR_REFERENCE, NO_PERIOD, RowFates
from domain.split_rule import REFERENCE, TRAIN, Locality, Number, SplitRule
from service.adapters.files.atomic import Draft
from service.adapters.polars.frames import Dataset, all_of, engine_errors, exactly, is_among, value_of


@dataclass(frozen=True)
class RowExpressions:
    """`period` is each row's; `latest` the master's latest one, None when no row is recent."""

    dataset: Dataset
    period: pl.Expr
    latest: Number | None

    def every(self) -> pl.Expr:
        """All rows."""
        return pl.lit(value=True)

    def among(self, column: str, values: tuple[Locality, ...]) -> pl.Expr:
        """Rows that hold one of the values in this column."""
        return _known(is_among(column, self.dataset.schema[column], values))

    def hashed_below(self, columns: tuple[str, ...], salt: str, threshold: int) -> pl.Expr:
        """Rows whose key hashes to a position below the threshold; null where a key is null."""
        return positions(columns, salt, self.dataset.schema) < pl.lit(threshold, dtype=pl.UInt64)

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


def positions(columns: Iterable[str], salt: str, schema: pl.Schema) -> pl.Expr:
    """The XXH64 of each key's canonical bytes, as unsigned 64 bit integers; null where a key is null.

    `domain.split_rules.HashSplit` says what is hashed.
    """
    pieces = [pl.lit(_netstring(salt))]
    for name in columns:
        text = _canonical(name, schema[name])
        pieces += [text.str.len_bytes().cast(pl.String), pl.lit(":"), text, pl.lit(",")]
    keys = pl.concat_str(pieces).cast(pl.Binary)
    return keys.map_batches(_hashed, return_dtype=pl.UInt64, is_elementwise=True)


def _canonical(name: str, dtype: pl.DataType) -> pl.Expr:
    column = exactly(name)
    return column.cast(pl.Int128).cast(pl.String) if dtype.is_float() else column.cast(pl.String)


def _netstring(text: str) -> str:
    return f"{len(text.encode())}:{text},"


def _hashed(keys: pl.Series) -> pl.Series:
    digests = [None if key is None else xxh64_intdigest(key) for key in keys.to_list()]
    return pl.Series(keys.name, digests, dtype=pl.UInt64)


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


def side_of(predicates: Mapping[str, pl.Expr], period: pl.Expr) -> pl.Expr:
    """The number of each row's standing."""
    tests = [rule for part, rule in predicates.items() if part not in {TRAIN, REFERENCE}]
    tested = pl.any_horizontal(tests) if tests else pl.lit(value=False)
    judges = predicates[REFERENCE]
    first_that_holds = {
        RowSide.TRAINS: predicates[TRAIN],
        RowSide.JUDGES_AND_TESTS: judges & tested,
        RowSide.JUDGES: judges,
        RowSide.TESTS: tested,
        RowSide.NO_PERIOD: period.is_null(),
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


# Fixed, so that the same rows are the same bytes on any worker, however the master was laid out. Level 1
# of zstd: hardly slower than snappy, and a third less to hash, copy and push afterwards.
_ROW_GROUP: Final = 65_536


@dataclass(frozen=True)
class Plan:
    """Which rows go where: a predicate and the number of rows of each part, in the rules' order.

    The parts are train, reference, and the moving tests. `standing` is each row's, `counts` how many rows
    have which. `columns` are the master's own.
    """

    dataset: Dataset
    predicates: Mapping[str, pl.Expr]
    rows: Mapping[str, int]
    side: pl.Expr
    counts: Counts
    columns: Sequence[str]


def plan_split(dataset: Dataset, rules: SplitRule) -> Plan:
    """Find out where each row goes, and how many there are of each part; nothing is written.

    Raises NeverRetry `unreadable_dataset`.
    """
    columns = dataset.schema.names()
    period = _period(dataset, rules)
    with engine_errors(dataset.path):
        predicates = dict(rules.parts(RowExpressions(dataset, period, _latest(dataset, rules, period))))
        questions = {**predicates, SIDE: side_of(predicates, period)}
        if dataset.in_memory:
            dataset, questions = _answered(dataset, questions)
        side = questions.pop(SIDE)
        sums = [rule.sum().alias(part) for part, rule in questions.items()]
        counted = dataset.frame.select(*sums, *counts_of(side)).collect(engine="streaming")
    found = counted.row(0, named=True)
    return Plan(
        dataset=dataset,
        predicates=questions,
        rows={part: found[part] for part in questions},
        side=side,
        counts=read_counts(found),
        columns=columns,
    )


def _answered(dataset: Dataset, questions: Mapping[str, pl.Expr]) -> tuple[Dataset, dict[str, pl.Expr]]:
    """Put the answers into columns of the frame in memory: each question is asked once."""
    names = {asked: _unused(f"__laurel_{asked}", dataset) for asked in questions}
    answers = [question.alias(names[asked]) for asked, question in questions.items()]
    frame = dataset.frame.with_columns(answers).collect(engine="streaming").lazy()
    return replace(dataset, frame=frame), {asked: exactly(name) for asked, name in names.items()}


def judging(dataset: Dataset, rules: SplitRule) -> pl.Expr:
    """True for each row of `dataset` that may stand in the reference by the rules."""
    return dict(rules.parts(RowExpressions(dataset, _period(dataset, rules), latest=None)))[REFERENCE]


def write_parts(plan: Plan, drafts: Mapping[str, Draft]) -> None:
    """Write the parts; each keeps the master's columns and row order.

    From memory they are written side by side; from a file one after the other, since sinks that share a scan
    make the engine keep what the slower of them has not taken yet. Raises NeverRetry `unreadable_dataset`;
    an error of the disk is kept in the draft that met it.
    """
    sinks = [
        rows_of(plan, part).sink_parquet(
            cast("IO[bytes]", draft),
            compression="zstd",
            compression_level=1,
            statistics=False,
            row_group_size=_ROW_GROUP,
            lazy=True,
        )
        for part, draft in drafts.items()
    ]
    with engine_errors(plan.dataset.path):
        for batch in [sinks] if plan.dataset.in_memory else [[sink] for sink in sinks]:
            pl.collect_all(batch, engine="streaming")


def rows_of(plan: Plan, part: str) -> pl.LazyFrame:
    """The master's rows of one part, in its order, with its columns."""
    return plan.dataset.frame.filter(plan.predicates[part]).select(all_of(plan.columns))


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
