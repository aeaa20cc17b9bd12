"""Rows of a reference beside the rules, and beside the metric, that they are for."""

from typing import Any

import polars as pl

from domain.data_contract import DataContract
from domain.split_rules import SplitRules
from service.adapters.polars.columns import all_of, value_of
from service.adapters.polars.contract_check import SAMPLES, sample_keys
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.splitting import judging


def rows_outside(reference: Dataset, rules: SplitRules, contract: DataContract) -> tuple[int, list[Any]]:
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
