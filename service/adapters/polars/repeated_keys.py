"""Rows that have the key of another row, in memory that does not grow with the rows.

Keys are compared by a 64 bit hash first: no two equal hashes, no two equal keys. A long file is looked at in
several passes, each over a part of the hashes' range. Only hashes that occur twice are looked at by value, so
the engine's hash, which may change with its version, decides nothing.
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from service.adapters.polars.columns import value_of
from service.adapters.polars.frames import Dataset

_ROWS_PER_PASS: Final = 2_000_000  # of 8 bytes each, and as much again for the table that finds repeats
_RANGE: Final = 1 << 64


def count_repeats(dataset: Dataset, names: Sequence[str]) -> int:
    """How many rows have the key of an earlier row. Nulls are equal to nulls, as in deduplication."""
    suspects = _repeated_hashes(dataset, names)
    if suspects.is_empty():
        return 0
    keys = _suspected(dataset, names, suspects).collect(engine="streaming")
    return keys.height - keys.unique().height


def sample_repeats(dataset: Dataset, names: Sequence[str], count: int) -> pl.DataFrame:
    """Some of the keys that stand in several rows, the first ones of the file."""
    keys = _suspected(dataset, names, _repeated_hashes(dataset, names)).collect(engine="streaming")
    return keys.filter(keys.is_duplicated()).unique(maintain_order=True).head(count)


def _repeated_hashes(dataset: Dataset, names: Sequence[str]) -> pl.DataFrame:
    passes = max(1, -(-dataset.rows // _ROWS_PER_PASS))
    found = [_repeated_in(dataset, names, place, passes) for place in range(passes)]
    return pl.concat(found)


def _repeated_in(dataset: Dataset, names: Sequence[str], place: int, passes: int) -> pl.DataFrame:
    hashes = dataset.frame.select(_hash(dataset, names).alias("hash"))
    if passes > 1:
        first, last = _RANGE * place // passes, _RANGE * (place + 1) // passes - 1
        hashes = hashes.filter(pl.col("hash").is_between(first, last))
    column = hashes.collect(engine="streaming")
    if column["hash"].n_unique() == column.height:
        return column.clear()
    return column.filter(column["hash"].is_duplicated()).unique()


def _hash(dataset: Dataset, names: Sequence[str]) -> pl.Expr:
    columns = [value_of(name, dataset.schema[name]) for name in names]
    return columns[0].hash() if len(columns) == 1 else pl.struct(columns).hash()


def _suspected(dataset: Dataset, names: Sequence[str], hashes: pl.DataFrame) -> pl.LazyFrame:
    values = [value_of(name, dataset.schema[name]) for name in names]
    suspects = dataset.frame.filter(_hash(dataset, names).is_in(hashes["hash"].implode()))
    return suspects.select(values)
