"""A master's rows, as a split rule asks about them: each answer is an expression of the data engine."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
from xxhash import xxh64_intdigest

from domain.split_rule import Locality, Number
from service.adapters.polars.columns import exactly, is_among
from service.adapters.polars.frames import Dataset


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
