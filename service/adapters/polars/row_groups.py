"""A Parquet file that is written a row group at a time, in memory that does not grow with the rows.

The engine's own sinks keep what they have not written yet, however much that is, and those that share a scan
keep still more. So each row group is encoded by the engine, on all its threads, as a file of its own; its
pages go into the draft as they are, and the footers become one.
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, Final

import polars as pl

from service.adapters.files.atomic import Draft
from service.adapters.polars.thrift import Field, Items, Reader, Struct, written

# Fixed, so that the same rows are the same bytes on any worker, however the master was laid out. Level 1
# of zstd: hardly slower than snappy, and a third less to hash, copy and push afterwards.
ROW_GROUP: Final = 65_536

_MAGIC: Final = b"PAR1"
_TAIL: Final = 8  # length of the footer, and the magic
# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROWS, _GROUPS = 3, 4
_COLUMNS, _GROUP_START, _ORDINAL = 1, 5, 7
_META: Final = 3
_INDEXES: Final = (2, 4, 6)  # where the column, and the two indexes of its pages start
_PAGES: Final = (9, 10, 11, 14)  # where data, index and dictionary pages and the bloom filter start


class PartWriter:
    """Writes rows of one schema into a draft. Raises OSError, which the draft keeps, and PolarsError."""

    def __init__(self, draft: Draft, schema: pl.Schema) -> None:
        self._draft = draft
        self._held = pl.DataFrame(schema=schema)
        self._rows = 0
        self._groups: list[Struct] = []
        draft.write(_MAGIC)

    def add(self, rows: pl.DataFrame) -> None:
        """Add rows of any number; what fills no row group waits for more."""
        held = pl.concat([self._held, rows]) if self._held.height else rows
        while held.height >= ROW_GROUP:
            self._write(held.head(ROW_GROUP))
            held = held.slice(ROW_GROUP)
        self._held = held

    def close(self) -> None:
        """Write the rows that wait, and the footer."""
        footer = self._write(self._held)
        footer[_ROWS] = footer[_ROWS]._replace(value=self._rows)
        footer[_GROUPS] = Field(footer[_GROUPS].kind, Items(_STRUCT, self._groups))
        data = written(footer)
        self._draft.write(data + struct.pack("<I", len(data)) + _MAGIC)

    def _write(self, rows: pl.DataFrame) -> Struct:
        """Write rows that fit into a row group; return the footer of a file of them alone."""
        buffer = io.BytesIO()
        rows.rechunk().write_parquet(
            buffer, compression="zstd", compression_level=1, statistics=False, row_group_size=ROW_GROUP
        )
        data = buffer.getbuffer()
        (length,) = struct.unpack("<I", data[-_TAIL:-4])
        end = len(data) - _TAIL - length
        footer = Reader(bytes(data[end:-_TAIL])).struct()
        groups = footer[_GROUPS].value.values if rows.height else []
        for group in groups:
            self._groups.append(_moved(group, self._draft.size - len(_MAGIC), len(self._groups)))
        if groups:
            self._draft.write(data[len(_MAGIC) : end])
        self._rows += rows.height
        return footer


_STRUCT: Final = 12


def _moved(group: Struct, by: int, ordinal: int) -> Struct:
    """A row group that starts so many bytes later in its file."""
    moved = {**group, _COLUMNS: Field(group[_COLUMNS].kind, Items(_STRUCT, list(_columns(group, by))))}
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
