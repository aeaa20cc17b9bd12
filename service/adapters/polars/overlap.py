"""A reference beside the master: which of its rows are there still, and which of them train."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from domain.compatibility import fits
from domain.data_contract import DataContract
from domain.split_rule import TRAIN
from service.adapters.polars.contract_check import SAMPLES, sample_keys
from service.adapters.polars.frames import Dataset, engine_errors, key_value_of
from service.adapters.polars.splitting import SIDE, Counts, Plan, RowSide, counts_of, read_counts, rows_of

_KEY: Final = "key"  # followed by its place: a name from a file could be a pattern to the engine
_CONTENT: Final = "content"


@dataclass(frozen=True)
class Overlap:
    """Reference rows that train: by key, and, under another key, by everything else that they hold.

    `in_master` counts the master's rows that the reference holds, by their key, by where they stand.
    """

    by_key: int
    by_content: int
    sample_keys: Sequence[object]
    in_master: Counts

    def __bool__(self) -> bool:
        """True when any row trains."""
        return bool(self.by_key or self.by_content)


def find_overlap(plan: Plan, reference: Dataset, contract: DataContract) -> Overlap:
    """Compare an adopted reference with the rows that the plan trains on.

    A reference row whose key has left the master may have come back under another one; such rows are looked
    for in train by all columns of the contract that both files hold but the key. (Two rows that are alike and
    both keep their keys are two rows.) Raises NeverRetry `unreadable_dataset`.
    """
    names = list(_keys(reference, contract))
    with engine_errors(reference.path):
        keys = reference.frame.select(_keys(reference, contract).values()).collect(engine="streaming")
        _require_keys(keys, reference)
        found = _rows_of_master(plan, keys, contract)
        training = found.filter(pl.col(SIDE) == RowSide.TRAINS.value).drop(SIDE)
        gone = keys.join(found, on=names, how="anti")
        renamed = _training_under_another_key(plan, reference, gone, contract)
        counts = read_counts(found.select(counts_of(pl.col(SIDE))).row(0, named=True))
    samples = (
        pl.concat([training, renamed])
        .head(SAMPLES)
        .rename(dict(zip(names, contract.primary_key, strict=True)))
    )
    return Overlap(training.height, renamed.height, sample_keys(samples), counts)


def count_with_keys_of(dataset: Dataset, reference: Dataset, contract: DataContract) -> int:
    """How many rows of the reference have a key that stands in `dataset`. Raises NeverRetry."""
    with engine_errors(dataset.path):
        keys = dataset.frame.select(_keys(dataset, contract).values())
        asked = reference.frame.select(_keys(reference, contract).values())
        both = asked.join(keys, on=list(_keys(reference, contract)), how="semi")
        return int(both.select(pl.len()).collect(engine="streaming").item())


def _keys(dataset: Dataset, contract: DataContract) -> dict[str, pl.Expr]:
    """The key's columns under names of our own."""
    return {
        f"{_KEY} {place}": _comparable(name, dataset, contract).alias(f"{_KEY} {place}")
        for place, name in enumerate(contract.primary_key)
    }


def _comparable(name: str, dataset: Dataset, contract: DataContract) -> pl.Expr:
    return key_value_of(name, dataset.schema[name], contract.columns[name].type)


def _require_keys(keys: pl.DataFrame, dataset: Dataset) -> None:
    """The contract was checked, and knows no key without a value: null would equal null."""
    lost = [name for name in keys.columns if keys[name].null_count()]
    if lost:
        raise RuntimeError(f"{len(lost)} key columns of {dataset.path} became null: a defect")


def _rows_of_master(plan: Plan, keys: pl.DataFrame, contract: DataContract) -> pl.DataFrame:
    """Return the keys of the master's rows that have one of `keys`, and where each stands."""
    asked = [*_keys(plan.dataset, contract).values(), plan.side.alias(SIDE)]
    master = plan.frame.select(asked)
    return master.join(keys.lazy(), on=keys.columns, how="semi").collect(engine="streaming")


def _training_under_another_key(
    plan: Plan, reference: Dataset, gone: pl.DataFrame, contract: DataContract
) -> pl.DataFrame:
    """Return the keys of the reference rows in `gone` whose content trains under another key."""
    content = _shared_content(plan.dataset, reference, contract)
    if gone.is_empty() or not content:
        return gone.clear()
    told = {f"{_CONTENT} {place}": name for place, name in enumerate(content)}
    rows = reference.frame.select(*_keys(reference, contract).values(), *_contents(told, reference, contract))
    train = rows_of(plan, TRAIN).select(_contents(told, plan.dataset, contract))
    lost = rows.join(gone.lazy(), on=gone.columns, how="semi")
    seen = train.join(lost.select(list(told)), on=list(told), how="semi", nulls_equal=True)
    alike = lost.join(seen, on=list(told), how="semi", nulls_equal=True)
    return alike.select(gone.columns).collect(engine="streaming")


def _contents(told: Mapping[str, str], dataset: Dataset, contract: DataContract) -> Iterator[pl.Expr]:
    yield from (_comparable(name, dataset, contract).alias(ours) for ours, name in told.items())


def _shared_content(master: Dataset, reference: Dataset, contract: DataContract) -> Sequence[str]:
    """Return the contract's columns but the key by which rows can be compared; others may change freely."""
    files = (master.kinds, reference.kinds)
    return [
        name
        for name, rule in contract.columns.items()
        if name not in contract.primary_key
        and all(kinds.get(name, "null") != "null" and fits(kinds[name], rule.type) for kinds in files)
    ]
