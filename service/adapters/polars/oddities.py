"""Where rules, metric and rows disagree: names without rows, rows out of place, odd periods."""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from domain.config_questions import date_form
from domain.data_contract import DataContract
from domain.split_rule import Locality, SplitRule
from domain.wording import nearest
from service.adapters.polars.contract_check import SAMPLES, sample_keys
from service.adapters.polars.frames import Dataset, all_of, engine_errors, value_of
from service.adapters.polars.splitting import judging

_MOST_PERIODS: Final = 50_000  # of days there are fewer in a century


def localities_without_rows(dataset: Dataset, rules: SplitRule) -> dict[Locality, object]:
    """Test localities that no row has, each with the nearest that some row has. Raises NeverRetry."""
    if rules.localities is None:
        return {}
    column, names = rules.localities
    there = _distinct(dataset, column)
    absent = set(names) - set(there)
    return {name: nearest(name, there) for name in names if name in absent}


def period_form(dataset: Dataset, rules: SplitRule) -> str | None:
    """The form of date that the periods have, if moving tests subtract from them. Raises NeverRetry."""
    if not rules.moving_tests or rules.periodic_column is None:
        return None
    periods = _distinct(dataset, rules.periodic_column)
    return date_form(periods) if len(periods) <= _MOST_PERIODS else None


def _distinct(dataset: Dataset, name: str) -> list[Any]:
    """The distinct values of a column, nulls left out, in an order of their own."""
    with engine_errors(dataset.path):
        values = dataset.frame.select(value_of(name, dataset.schema[name]).unique()).collect(
            engine="streaming"
        )
    return sorted(values.to_series().drop_nulls().to_list())


def rows_outside(
    reference: Dataset, rules: SplitRule, contract: DataContract
) -> tuple[int, Sequence[object]]:
    """Count the rows that may not stand in the reference by the rules, and show keys of some.

    The reference has the columns that the rules ask for. Raises NeverRetry `unreadable_dataset`.
    """
    with engine_errors(reference.path):
        outside = reference.frame.filter(~judging(reference, rules).fill_null(value=False))
        keys = outside.select(all_of(contract.primary_key)).collect(engine="streaming")
    return keys.height, sample_keys(keys.head(SAMPLES))


def rows_below_zero(rows: pl.LazyFrame, target: str, dataset: Dataset) -> int:
    """Count rows with a target below 0; `rows` are of `dataset`. Raises NeverRetry `unreadable_dataset`."""
    with engine_errors(dataset.path):
        below = rows.select((value_of(target, dataset.schema[target]) < 0).sum())
        return int(below.collect(engine="streaming").item())
