"""The columns in a parquet footer whose types the data engine does not read, by name.

The engine's own error does not say which column it met. The footer is Thrift's compact protocol; all of it
but the schema is stepped over.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_TAIL: Final = 8  # length of the footer, and the magic
_BOOLEANS: Final = frozenset({1, 2})
_BYTE: Final = 3
_WHOLE: Final = frozenset({4, 5, 6})
_DOUBLE: Final = 7
_BINARY: Final = 8
_LISTS: Final = frozenset({9, 10})
_STRUCT: Final = 12
_DEEPEST: Final = 16
_LONG_LIST: Final = 15
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
        return dict(_odd(_FooterReader(footer).struct()[_SCHEMA]))
    except (OSError, LookupError, TypeError, ValueError, struct.error, RecursionError):
        return {}


def _odd(elements: list[dict[int, Any]]) -> Iterator[tuple[str, str]]:
    """Walk the tree that is written as a list, each element before its children; the first is the root."""
    place, top = 1, 0
    while top < elements[0][_CHILDREN]:
        name, left = elements[place][_NAME].decode(), 1
        while left:
            kind = _kind(elements[place])
            if kind is not None:
                yield name, kind
            left += elements[place].get(_CHILDREN, 0) - 1
            place += 1
        top += 1


def _kind(element: dict[int, Any]) -> str | None:
    logical = next(iter(element.get(_LOGICAL, {})), 0)
    return _CONVERTED_KINDS.get(element.get(_CONVERTED, -1)) or _LOGICAL_KINDS.get(logical)


@dataclass
class _FooterReader:
    """Reads values of Thrift's compact protocol; raises what reading beyond the end raises."""

    data: bytes
    place: int = 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """Fields by their number."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        fields: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            delta = head >> 4
            number = number + delta if delta else self._zigzag()
            fields[number] = self._value(head & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _BOOLEANS:
            return kind == 1
        if kind in _WHOLE:
            return self._zigzag()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind in _LISTS:
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        return self._take({_BYTE: 1, _DOUBLE: 8}[kind])

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 != _LONG_LIST else self._varint()
        kind = head & 15
        if count > len(self.data):
            raise ValueError("longer than the footer")
        return [
            self._byte() == 1 if kind in _BOOLEANS else self._value(kind, depth + 1) for _ in range(count)
        ]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _take(self, count: int) -> bytes:
        taken = self.data[self.place : self.place + count]
        if len(taken) < count:
            raise ValueError("the footer ends too soon")
        self.place += count
        return taken

    def _varint(self) -> int:
        number, shift = 0, 0
        while (byte := self._byte()) & 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
        return number | byte << shift

    def _zigzag(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)
