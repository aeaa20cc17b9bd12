"""A dataset, read from the very bytes that were checked in the forms a model wants; and its predictions."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from domain.arrays import Floats
from domain.errors import NeverRetry
from service.adapters.files.atomic import AtomicFiles

Table: TypeAlias = pa.Table
Frame: TypeAlias = pd.DataFrame

_LONG_WHOLE: Final = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}


def read_dataset(path: str, sha256: str, name: str, columns: Iterable[str]) -> Table:
    """Read those of `columns` that a Parquet file has; `name` is the part that it plays.

    The file is read once, so nobody can change it between the check and the use. Raises NeverRetry:
    `reference_digest_mismatch` or `dataset_digest_mismatch` when the bytes are not those with this sha256,
    `unreadable_dataset` when they are no Parquet.
    """
    data = _checked_bytes(Path(path), sha256, name)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        names = file.schema_arrow.names
        present = [column for column in dict.fromkeys(columns) if names.count(column) == 1]
        # one by one: to decode a column takes memory for a moment
        return pa.table({column: _column(file, column) for column in present})
    except (pa.ArrowException, OSError) as error:
        raise NeverRetry(
            "unreadable_dataset", f"{name}: {path} is not readable as Parquet ({error})"
        ) from error


def _column(file: pq.ParquetFile, name: str) -> pa.ChunkedArray:
    return file.read(columns=[name], use_threads=False).column(name)


def frame_of(table: Table, columns: Iterable[str]) -> Frame:
    """The columns as a pandas frame, in their order; nulls become pandas' own."""
    frame: Frame = table.select(list(columns)).to_pandas(use_threads=False, ignore_metadata=True)
    return frame


def exact_frame_of(table: Table, columns: Iterable[str]) -> Frame:
    """The same, with long whole numbers beside a null as they are: pandas would make floats of them."""
    frame = frame_of(table, columns)
    for name in frame.columns:
        column = table.column(name)
        if column.null_count and column.type in _LONG_WHOLE:
            frame[name] = column.to_pandas(types_mapper=_LONG_WHOLE.get)
    return frame


class TableColumns:
    """The columns of a table as `exact_frame_of` has them; one that was given away is held no more."""

    def __init__(self, table: Table, names: Iterable[str]) -> None:
        self._columns = {name: table.column(name) for name in names}

    def pop(self, name: str, /) -> "pd.Series[Any]":
        """Give a column away."""
        return exact_frame_of(pa.table({name: self._columns.pop(name)}), [name])[name]


def floats_of(table: Table, column: str) -> Floats:
    """One column of numbers as float64; a null is NaN."""
    return np.asarray(table.column(column).to_numpy(), dtype=np.float64)


def range_of(table: Table, column: str) -> tuple[float, float] | None:
    """The least and the greatest number of a column; None where there is none."""
    values = floats_of(table, column)
    numbers = values[np.isfinite(values)]
    return (float(numbers.min()), float(numbers.max())) if numbers.size else None


def value_count(table: Table, column: str, *, with_null: bool) -> int:
    """How many values a column has, a null among them if that counts."""
    values = pc.unique(table.column(column))
    return len(values) - (0 if with_null else values.null_count)


def rows_at(table: Table, columns: Iterable[str], places: Sequence[int]) -> list[dict[str, object]]:
    """A few rows as Python values, by their places."""
    rows: list[dict[str, object]] = table.select(list(columns)).take(pa.array(places, pa.int64())).to_pylist()
    return rows


def informative_rows(table: Table, columns: Iterable[str]) -> Iterator[int]:
    """Places of rows where a column is null, or its whole number is the farthest from 0."""
    chosen = [table.column(name) for name in columns]
    for column in sorted(chosen, key=lambda column: column.type not in _LONG_WHOLE):
        if column.type in _LONG_WHOLE and column.null_count < len(column):
            yield _farthest(column)
        if column.null_count:
            yield pc.index(pc.is_null(column), True).as_py()


def _farthest(column: pa.ChunkedArray) -> int:
    ends = pc.min_max(column).as_py()
    farthest = max(ends.values(), key=abs)
    place: int = pc.index(column, pa.scalar(farthest, column.type)).as_py()
    return place


def frame_of_rows(rows: Sequence[Mapping[str, object]]) -> Frame:
    """Rows of Python values as a pandas frame, each value as it is."""
    return pd.DataFrame(rows, dtype="object")


def write_columns(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    """Write a small table as Parquet, for a use of this process alone. Raises OSError."""
    pq.write_table(pa.table(dict(columns)), path)


def _checked_bytes(path: Path, sha256: str, name: str) -> pa.Buffer:
    reason = "reference_digest_mismatch" if name == "reference" else "dataset_digest_mismatch"
    try:
        data = _read_regular(path)
    except OSError as error:
        sentence = f"{name}: {path} is not the recorded file ({error.strerror})"
        raise NeverRetry(reason, sentence, dataset=name, expected=sha256) from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        sentence = f"{name}: {path} has sha256 {found}, recorded was {sha256}"
        raise NeverRetry(reason, sentence, dataset=name, expected=sha256, found=found)
    return data


def _read_regular(path: Path) -> pa.Buffer:
    """A symbolic link may point elsewhere the next time, so it is not followed. Raises OSError.

    The buffer's memory is the system's again when it is let go; the heap would keep that of `bytes`.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        whole = pa.allocate_buffer(os.fstat(file.fileno()).st_size)
        filled, view = 0, memoryview(whole)
        while read := file.readinto(view[filled:]):
            filled += read
        return whole.slice(0, filled)


def write_predictions(
    path: Path, truth: Floats, predictions: Floats, locality: pa.ChunkedArray | None
) -> None:
    """Write one row per row of the dataset, in its order. Raises TryLater `disk_full` or `file_error`."""
    columns = {"truth": pa.array(truth), "prediction": pa.array(predictions)}
    if locality is not None:
        columns["locality"] = locality.cast(pa.string())
    buffer = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), buffer)
    AtomicFiles().replace(path, buffer.getvalue().to_pybytes())


def read_predictions(path: Path) -> tuple[Floats, Floats, list[str | None] | None]:
    """Truth, prediction and, if it was written, locality of each row. Raises OSError or ArrowException."""
    table = pq.ParquetFile(path).read(use_threads=False)
    has_locality = "locality" in table.column_names
    locality = table.column("locality").to_pylist() if has_locality else None
    return floats_of(table, "truth"), floats_of(table, "prediction"), locality
