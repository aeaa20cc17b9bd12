"""Rows of the reference that also train: the leak that makes a score worthless."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from domain.data_contract import DataContract
from domain.split_rules import TRAIN
from service.adapters.polars.columns import key_value_of, value_of
from service.adapters.polars.contract_check import SAMPLES, sample_keys
from service.adapters.polars.frames import Dataset, engine_errors
from service.adapters.polars.splitting import Plan, rows_of

_TRAINS: Final = "__laurel_trains"


@dataclass(frozen=True)
class Overlap:
    """Reference rows that train: by key, and, under another key, by everything else that they hold."""

    by_key: int
    by_content: int
    sample_keys: list[Any]

    def __bool__(self) -> bool:
        """True when there is any."""
        return bool(self.by_key or self.by_content)


def find_overlap(plan: Plan, reference: Dataset, contract: DataContract) -> Overlap:
    """Compare an adopted reference with the rows that the plan trains on.

    A reference row whose key has left the master may have come back under another one; such rows are looked
    for in train by all columns that both files hold but the key. (Two rows that are alike and both keep
    their keys are two rows.) Raises NeverRetry `unreadable_dataset`.
    """
    with engine_errors(reference.path):
        keys = reference.frame.select(_keys(reference, contract)).collect(engine="streaming")
        found = _rows_of_master(plan, keys, contract)
        training = found.filter(pl.col(_TRAINS)).drop(_TRAINS)
        gone = keys.join(found, on=list(contract.primary_key), how="anti", nulls_equal=True)
        renamed = _training_under_another_key(plan, reference, gone, contract)
    samples = pl.concat([training, renamed]).head(SAMPLES)
    return Overlap(training.height, renamed.height, sample_keys(samples))


def _keys(dataset: Dataset, contract: DataContract) -> Iterator[pl.Expr]:
    for name in contract.primary_key:
        yield key_value_of(name, dataset.schema[name], contract.columns[name].type)


def _rows_of_master(plan: Plan, keys: pl.DataFrame, contract: DataContract) -> pl.DataFrame:
    """Return the master's rows that have one of `keys`, and whether each trains."""
    master = plan.dataset.frame.select(*_keys(plan.dataset, contract), plan.predicates[TRAIN].alias(_TRAINS))
    names = list(contract.primary_key)
    return master.join(keys.lazy(), on=names, how="semi", nulls_equal=True).collect(engine="streaming")


def _training_under_another_key(
    plan: Plan, reference: Dataset, gone: pl.DataFrame, contract: DataContract
) -> pl.DataFrame:
    """Return the keys of the reference rows in `gone` whose content trains under another key."""
    names, content = list(contract.primary_key), _shared_content(plan.dataset, reference, contract)
    if gone.is_empty() or not content:
        return gone.clear()
    values = [value_of(name, reference.schema[name]) for name in content]
    rows = reference.frame.select(*_keys(reference, contract), *values)
    train = rows_of(plan, TRAIN).select(values)
    lost = rows.join(gone.lazy(), on=names, how="semi", nulls_equal=True)
    seen = train.join(lost.select(content), on=content, how="semi", nulls_equal=True)
    return lost.join(seen, on=content, how="semi", nulls_equal=True).select(names).collect(engine="streaming")


def _shared_content(master: Dataset, reference: Dataset, contract: DataContract) -> Sequence[str]:
    """Return the columns by which rows can be compared: of one plain type in both files, and not the key."""
    return [
        name
        for name, dtype in reference.schema.items()
        if name not in contract.primary_key
        and master.schema.get(name) == dtype
        and not dtype.is_nested()
        and dtype != pl.Null
    ]
