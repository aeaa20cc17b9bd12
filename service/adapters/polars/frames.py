"""Opening a parquet file without trusting it, and its columns as expressions that know one kind of null.

The engine's own error about a type that it does not read does not say which column it met. The footer does.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import polars.selectors as cs

from domain.arrays import single
from domain.data_contract import ColumnType
from domain.datasets import DatasetLimits
from domain.errors import LaurelError, NeverRetry
from service.adapters.polars.thrift import Reader, Struct, value_in

_TAIL: Final = 8  # length of the footer, and the magic
# Fields of FileMetaData and of SchemaElement, and values of theirs.
_SCHEMA, _NAME, _CHILDREN, _CONVERTED, _LOGICAL = 2, 4, 5, 6, 10
_CONVERTED_KINDS: Final = {21: "INTERVAL"}
_LOGICAL_KINDS: Final = {16: "VARIANT", 17: "GEOMETRY", 18: "GEOGRAPHY"}


def unread_columns(path: Path) -> dict[str, str]:
    """The kind of each top-level column that holds one which is not read; none where no footer is found."""
    try:
        with path.open("rb") as file:
            file.seek(-_TAIL, os.SEEK_END)
            (length,) = struct.unpack("<I4x", file.read())
            file.seek(-_TAIL - length, os.SEEK_END)
            footer = file.read(length)
        return dict(_odd(Reader(footer).struct()[_SCHEMA].value.values))
    except (OSError, LookupError, TypeError, ValueError, AttributeError, struct.error, RecursionError):
        return {}


def _odd(elements: list[Struct]) -> Iterator[tuple[str, str]]:
    """Walk the tree that is written as a list, each element before its children; the first is the root."""
    place, top = 1, 0
    while top < elements[0][_CHILDREN].value:
        name, left = elements[place][_NAME].value.decode(), 1
        while left:
            kind = _kind(elements[place])
            if kind is not None:
                yield name, kind
            left += value_in(elements[place], _CHILDREN, 0) - 1
            place += 1
        top += 1


def _kind(element: Struct) -> str | None:
    logical = next(iter(value_in(element, _LOGICAL, {})), 0)
    return _CONVERTED_KINDS.get(value_in(element, _CONVERTED, -1)) or _LOGICAL_KINDS.get(logical)


# How types are called in the contract's words; any other type is called by its own name.
_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_WORDS: Final[Mapping[type[pl.DataType], str]] = {
    **dict.fromkeys(_INTEGERS, "int"),
    **dict.fromkeys((pl.Float32, pl.Float64), "float"),
    **dict.fromkeys((pl.String, pl.Categorical, pl.Enum), "string"),
    pl.Null: "null",
}


_BATCH_CELLS: Final = 2_500_000  # of a batch, which bounds the memory of everything that is done in batches
_FEWEST_ROWS, _MOST_ROWS = 4_096, 65_536


@dataclass(frozen=True)
class Dataset:
    """An opened file: its rows as a lazy frame in the file's order, its schema, and their number.

    `path` is what errors call the file, which may be read through a copy.
    """

    path: Path
    frame: pl.LazyFrame
    schema: pl.Schema
    rows: int
    in_memory: bool

    @property
    def kinds(self) -> dict[str, str]:
        """Each column's type in the contract's words, in the file's order."""
        return {name: word_for(dtype) for name, dtype in self.schema.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of all rows, in the file's order, some rows at a time; at least one batch.

        Many small row groups come as one batch. Raises PolarsError.
        """
        frame = self.frame.select(all_of(columns))
        if self.in_memory or not columns or not self.rows:
            yield frame.collect(engine="in-memory")
            return
        size = max(_FEWEST_ROWS, min(_MOST_ROWS, _BATCH_CELLS // len(columns)))
        for batch in frame.collect_batches(chunk_size=size, maintain_order=True):
            yield batch.rechunk()  # what is asked of it many times is quicker to ask of one piece


def word_for(dtype: pl.DataType) -> str:
    """Name a type as the contract does, or by its own name."""
    return _WORDS.get(dtype.base_type(), str(dtype))


def scan(path: Path) -> pl.LazyFrame:
    """Scan one file. Its path is a name and nothing else: no pattern, no `key=value` folders."""
    return pl.scan_parquet(path, glob=False, hive_partitioning=False)


def open_dataset(path: Path, limits: DatasetLimits, *, called: Path | None = None) -> Dataset:
    """Open a file whose header was checked. Small files are read into memory once, larger ones streamed.

    `called` is what errors call it.

    Raises NeverRetry `unreadable_dataset`, or `data_contract` when two columns have the same name.
    """
    name = called or path
    with engine_errors(name):
        frame = scan(path)
        schema = _schema(frame, path, name)
        if len(schema) > limits.max_columns:
            raise unreadable(name, f"{len(schema)} columns; at most {limits.max_columns} are allowed")
        rows = int(frame.select(pl.len()).collect().item())
        if rows > limits.max_rows:
            raise unreadable(name, f"{rows} rows; at most {limits.max_rows} are allowed")
        small = path.stat().st_size <= limits.in_memory_bytes
        in_memory = small and rows * len(schema) <= limits.in_memory_cells
        if in_memory:
            frame = frame.collect(engine="streaming").lazy()
    return Dataset(name, frame, schema, rows, in_memory)


def _schema(frame: pl.LazyFrame, path: Path, name: Path) -> pl.Schema:
    """The file's columns. Raises NeverRetry that names the column, if one is of a type that is not read."""
    try:
        schema = frame.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        if odd := unread_columns(path):
            raise unreadable(name, _types_not_read(odd)) from error
        raise
    if odd := {column: str(dtype) for column, dtype in schema.items() if "Int128" in str(dtype)}:
        raise unreadable(name, _types_not_read(odd))
    return schema


def _types_not_read(odd: Mapping[str, str]) -> str:
    said = ", ".join(f"column {column!r} holds {kind}" for column, kind in odd.items())
    return f"{said}; this type is not supported: write the column as another type, or leave it out"


def unreadable(path: Path, why: str) -> NeverRetry:
    """Say that a file cannot be used as it is."""
    return NeverRetry("unreadable_dataset", f"{path} cannot be read: {why}", path=str(path), why=why)


@contextmanager
def engine_errors(path: Path) -> Iterator[None]:
    """Translate the engine's errors about `path`: broken bytes stay broken however often they are read."""
    try:
        yield
    except LaurelError:
        raise
    except pl.exceptions.DuplicateError as error:
        violation = {"column": None, "rule": "duplicate_column", "count": 1, "detail": _said(error)}
        raise NeverRetry(
            "data_contract", f"{path}: two columns have the same name", path=str(path), violations=[violation]
        ) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, _said(error)) from error


def _said(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


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
