"""Opening a parquet file without trusting it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from domain.datasets import DatasetLimits
from domain.errors import LaurelError, NeverRetry
from service.adapters.polars.footer import unread_columns

# How types are called in the contract's words; any other type is called by its own name.
_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_WORDS: Final[Mapping[type[pl.DataType], str]] = {
    **dict.fromkeys(_INTEGERS, "int"),
    **dict.fromkeys((pl.Float32, pl.Float64), "float"),
    **dict.fromkeys((pl.String, pl.Categorical, pl.Enum), "string"),
    pl.Null: "null",
}


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
