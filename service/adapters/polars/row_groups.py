"""A Parquet file that is written a row group at a time, in memory that does not grow with the rows.

The engine's own sinks keep what they have not written yet, however much that is, and those that share a scan
keep still more. So each row group is encoded by the engine, on all its threads, as a file of its own; its
pages go into the draft as they are, and the footers become one.
"""

import io
import struct
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import polars as pl

from service.adapters.files.atomic import Draft
from service.adapters.polars.thrift import STRUCT, Field, Items, Reader, Struct, written

# Fixed, so that the same rows are the same bytes on any worker, however the master was laid out. Level 1
# of zstd: hardly slower than snappy, and a third less to hash, copy and push afterwards.
ROW_GROUP: Final = 65_536

_MAGIC: Final = b"PAR1"
_AHEAD: Final = 2  # row groups that are encoded side by side
_TAIL: Final = 8  # length of the footer, and the magic
# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROWS, _GROUPS = 3, 4
_COLUMNS, _GROUP_START, _ORDINAL = 1, 5, 7
_META: Final = 3
_INDEXES: Final = (2, 4, 6)  # where the column, and the two indexes of its pages start
_PAGES: Final = (9, 10, 11, 14)  # where data, index and dictionary pages and the bloom filter start


class PartWriter:
    """Writes rows of one schema into a draft. Raises OSError, which the draft keeps, and PolarsError."""

    def __init__(self, draft: Draft, schema: pl.Schema, threads: ThreadPoolExecutor) -> None:
        self._draft = draft
        self._threads = threads
        self._encoding: deque[Future[bytes]] = deque()
        self._held = pl.DataFrame(schema=schema)
        self._rows = 0
        self._groups: list[Struct] = []
        draft.write(_MAGIC)

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows of any number; what fills no row group waits for more."""
        held = pl.concat([self._held, rows]) if self._held.height else rows
        while held.height >= ROW_GROUP:
            self._encoding.append(self._threads.submit(_encoded, held.head(ROW_GROUP)))
            held = held.slice(ROW_GROUP)
        self._held = held
        while len(self._encoding) > _AHEAD:
            self._write(self._encoding.popleft().result())

    def close(self) -> None:
        """Write the rows that wait, and the footer."""
        for encoded in self._encoding:
            self._write(encoded.result())
        footer = self._write(_encoded(self._held))
        footer[_ROWS] = footer[_ROWS]._replace(value=self._rows)
        footer[_GROUPS] = Field(footer[_GROUPS].kind, Items(STRUCT, self._groups))
        data = written(footer)
        self._draft.write(data + struct.pack("<I", len(data)) + _MAGIC)

    def _write(self, data: bytes) -> Struct:
        """Write the pages of an encoded row group; return the footer of a file of them alone."""
        (length,) = struct.unpack("<I", data[-_TAIL:-4])
        end = len(data) - _TAIL - length
        footer = Reader(data[end:-_TAIL]).struct()
        rows = footer[_ROWS].value
        groups = footer[_GROUPS].value.values if rows else []
        for group in groups:
            self._groups.append(_moved(group, self._draft.size - len(_MAGIC), len(self._groups)))
        if groups:
            self._draft.write(memoryview(data)[len(_MAGIC) : end])
        self._rows += rows
        return footer


def _encoded(rows: pl.DataFrame) -> bytes:
    """Rows that fit into a row group, as a file of their own."""
    buffer = io.BytesIO()
    rows.rechunk().write_parquet(
        buffer, compression="zstd", compression_level=1, statistics=False, row_group_size=ROW_GROUP
    )
    return buffer.getvalue()


def _moved(group: Struct, by: int, ordinal: int) -> Struct:
    """A row group that starts so many bytes later in its file."""
    moved = {**group, _COLUMNS: Field(group[_COLUMNS].kind, Items(STRUCT, list(_columns(group, by))))}
    moved = _shifted(moved, (_GROUP_START,), by)
    if _ORDINAL in moved:
        moved[_ORDINAL] = moved[_ORDINAL]._replace(value=ordinal)
    return moved


def _columns(group: Struct, by: int) -> Iterator[Struct]:
    for column in group[_COLUMNS].value.values:
        meta: Any = column[_META]
        yield {
            **_shifted(column, _INDEXES, by),
            _META: Field(meta.kind, _shifted(meta.value, _PAGES, by)),
        }


def _shifted(fields: Struct, numbers: tuple[int, ...], by: int) -> Struct:
    """Move positions; 0 stands for none."""
    return {
        number: field._replace(value=field.value + by) if number in numbers and field.value else field
        for number, field in fields.items()
    }
