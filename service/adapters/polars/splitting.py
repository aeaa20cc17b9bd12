"""The split rules as predicates of the data engine, and the parts as files.

`domain.split_rules` says what each rule means; a property test holds both against each other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any, Final, cast

import polars as pl

from domain.split_rules import REFERENCE, TRAIN, GeographicSplit, HashSplit, Number, SplitRules, TemporalSplit
from service.adapters.files.atomic import Draft
from service.adapters.polars.columns import all_of, exactly, is_among, value_of
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.key_hash import positions
from service.adapters.polars.standing import STANDING, Counts, counts_of, read_counts, standing_of

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
    standing: pl.Expr
    counts: Counts
    columns: Sequence[str]


def plan_split(dataset: Dataset, rules: SplitRules) -> Plan:
    """Find out where each row goes, and how many there are of each part; nothing is written.

    Raises NeverRetry `unreadable_dataset`.
    """
    columns = dataset.schema.names()
    with engine_errors(dataset.path):
        predicates = dict(_predicates(dataset, rules, _latest(dataset, rules)))
        questions = {**predicates, STANDING: standing_of(predicates, _period(dataset, rules))}
        if dataset.in_memory:
            dataset, questions = _answered(dataset, questions)
        standing = questions.pop(STANDING)
        sums = [rule.sum().alias(part) for part, rule in questions.items()]
        counted = dataset.frame.select(*sums, *counts_of(standing)).collect(engine="streaming")
    found = counted.row(0, named=True)
    return Plan(
        dataset=dataset,
        predicates=questions,
        rows={part: found[part] for part in questions},
        standing=standing,
        counts=read_counts(found),
        columns=columns,
    )


def _answered(dataset: Dataset, questions: Mapping[str, pl.Expr]) -> tuple[Dataset, dict[str, pl.Expr]]:
    """Put the answers into columns of the frame in memory: each question is asked once."""
    names = {asked: _unused(f"__laurel_{asked}", dataset) for asked in questions}
    answers = [question.alias(names[asked]) for asked, question in questions.items()]
    frame = dataset.frame.with_columns(answers).collect(engine="streaming").lazy()
    return replace(dataset, frame=frame), {asked: exactly(name) for asked, name in names.items()}


def judging(dataset: Dataset, rules: SplitRules) -> pl.Expr:
    """True for each row of `dataset` that may stand in the reference by the rules."""
    return dict(_predicates(dataset, rules, latest=None))[REFERENCE]


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


def _latest(dataset: Dataset, rules: SplitRules) -> Number | None:
    """The latest period of the whole master; None without periods, or when no test asks for it."""
    if not rules.moving_tests or rules.periodic_column is None:
        return None
    period = _period(dataset, rules)
    latest: Any = dataset.frame.select(period.max()).collect(engine="streaming").item()
    return cast("Number | None", latest)


def _period(dataset: Dataset, rules: SplitRules) -> pl.Expr:
    name = rules.periodic_column
    return pl.lit(None) if name is None else value_of(name, dataset.schema[name])


def _predicates(dataset: Dataset, rules: SplitRules, latest: Number | None) -> Iterator[tuple[str, pl.Expr]]:
    """Yield each part with its predicate: train, reference, then the moving tests. None of them is null."""
    period = _period(dataset, rules)
    tests = {name: _later(period, latest, duration) for name, duration in rules.moving_tests}
    if isinstance(rules, TemporalSplit):
        yield from _temporal(rules, period, tests)
        return
    held_back = _held_back(dataset, rules)
    yield TRAIN, ~held_back
    inside = rules.reference_test_period
    within = pl.lit(value=True) if inside is None else _between(period, inside.min, inside.max)
    yield REFERENCE, held_back & within
    yield from ((name, held_back & later) for name, later in tests.items())


def _held_back(dataset: Dataset, rules: GeographicSplit | HashSplit) -> pl.Expr:
    if isinstance(rules, GeographicSplit):
        name = rules.geographic_column
        return is_among(name, dataset.schema[name], rules.test_localities).fill_null(value=False)
    return positions(rules, dataset.schema) < pl.lit(rules.threshold, dtype=pl.UInt64)


def _temporal(
    rules: TemporalSplit, period: pl.Expr, tests: Mapping[str, pl.Expr]
) -> Iterator[tuple[str, pl.Expr]]:
    inside = rules.reference_test_period
    before = (period < inside.min).fill_null(value=False)
    after = pl.lit(value=False) if inside.max is None else (period > inside.max).fill_null(value=False)
    yield TRAIN, before | after if rules.rows_after == "train" else before
    yield REFERENCE, _between(period, inside.min, inside.max)
    yield from ((name, later & ~before) for name, later in tests.items())


def _between(period: pl.Expr, first: Number, last: Number | None) -> pl.Expr:
    inside = period >= first if last is None else period.is_between(first, last)
    return inside.fill_null(value=False)


def _later(period: pl.Expr, latest: Number | None, duration: int) -> pl.Expr:
    return pl.lit(value=False) if latest is None else (period > latest - duration).fill_null(value=False)
