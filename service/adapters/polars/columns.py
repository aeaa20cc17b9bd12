"""Columns as expressions that know one kind of null, whatever a file's types are."""

from collections.abc import Iterable

import polars as pl
import polars.selectors as cs

from domain.arrays import single
from domain.data_contract import ColumnType
from service.adapters.polars.frames import word_for


def exactly(name: str) -> pl.Expr:
    """The column of this very name; `pl.col` takes `*` and `^x$` for patterns."""
    return cs.by_name(name).as_expr()


def all_of(names: Iterable[str]) -> list[pl.Expr]:
    """The columns of these very names, in their order."""
    return [exactly(name) for name in names]


def value_of(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column with NaN as null, and text as plain text."""
    column = exactly(name)
    if dtype.is_float():
        return column.fill_nan(None)
    if word_for(dtype) == "string" and dtype != pl.String:
        return column.cast(pl.String)
    return column


def key_value_of(name: str, dtype: pl.DataType, column_type: ColumnType) -> pl.Expr:
    """The column in the one type in which two files can be compared: text, or integers of 128 bits.

    Those hold whole numbers with and without a sign. A float column keeps its own type; integers that a file
    stores as floats become integers.
    """
    kind = {"string": pl.String, "int": pl.Int128, "float": pl.Float64}[column_type]
    return value_of(name, dtype).cast(kind, strict=False).alias(name)


def is_among(name: str, dtype: pl.DataType, values: tuple[str | int | float, ...]) -> pl.Expr:
    """True when the column holds one of `values`, null when it holds nothing."""
    column = value_of(name, dtype)
    if dtype == pl.Float32:  # where min and max compare in 32 bits, too
        return column.is_in(pl.Series([single(float(value)) for value in values], dtype=pl.Float32).implode())
    if dtype.is_numeric() and (dtype.is_float() or any(isinstance(value, float) for value in values)):
        return column.cast(pl.Float64).is_in([float(value) for value in values])
    return column.is_in(list(values))
