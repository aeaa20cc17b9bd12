"""The parts of a split as predicates of the data engine, and as files; their rule describes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Final, cast

import polars as pl

from domain.split_rule import REFERENCE, Number, SplitRule
from service.adapters.files.atomic import Draft
from service.adapters.polars.columns import all_of, exactly, value_of
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.row_expressions import RowExpressions
from service.adapters.polars.row_sides import SIDE, Counts, counts_of, read_counts, side_of

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
