"""The position of a row's key in the hash split; `domain.split_rules.HashSplit` says what is hashed."""

import polars as pl
from xxhash import xxh64_intdigest

from domain.split_rules import HashSplit
from service.adapters.polars.columns import exactly


def positions(rules: HashSplit, schema: pl.Schema) -> pl.Expr:
    """The XXH64 of each key's canonical bytes, as unsigned 64 bit integers; null where a key is null."""
    pieces = [pl.lit(_netstring(rules.salt))]
    for name in rules.key_columns:
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
