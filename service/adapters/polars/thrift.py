"""Thrift's compact protocol, as far as the footer of a Parquet file uses it."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

_BOOLEANS: Final = frozenset({1, 2})
_BYTE: Final = 3
_WHOLE: Final = frozenset({4, 5, 6})
_DOUBLE: Final = 7
_BINARY: Final = 8
_LIST: Final = 9
_STRUCT: Final = 12
_DEEPEST: Final = 16
_LONG_LIST: Final = 15
_SEVEN_BITS: Final = 0x7F


class Field(NamedTuple):
    """A value and how it is stored."""

    kind: int
    value: Any


class Items(NamedTuple):
    """The values of a list, all stored in one way."""

    kind: int
    values: list[Any]


Struct: TypeAlias = dict[int, Field]  # by the fields' numbers, in the order of the bytes


def value_in(struct: Struct, number: int, default: Any = None) -> Any:
    """The value of a field that need not be there."""
    return struct[number].value if number in struct else default


@dataclass
class Reader:
    """Reads values; raises what reading beyond the end raises."""

    data: bytes
    place: int = 0

    def struct(self, depth: int = 0) -> Struct:
        """Read fields up to the stop."""
        if depth > _DEEPEST:
            raise ValueError("too deep")
        fields: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            delta, kind = head >> 4, head & 15
            number = number + delta if delta else self._zigzag()
            fields[number] = Field(kind, kind == 1 if kind in _BOOLEANS else self._value(kind, depth))
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _WHOLE:
            return self._zigzag()
        if kind == _BINARY:
            return self._take(self._varint())
        if kind == _LIST:
            return self._list(depth)
        if kind == _STRUCT:
            return self.struct(depth + 1)
        return self._take({**dict.fromkeys(_BOOLEANS, 1), _BYTE: 1, _DOUBLE: 8}[kind])

    def _list(self, depth: int) -> Items:
        head = self._byte()
        count = head >> 4 if head >> 4 != _LONG_LIST else self._varint()
        if count > len(self.data):
            raise ValueError("longer than the footer")
        return Items(head & 15, [self._value(head & 15, depth + 1) for _ in range(count)])

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
            number |= (byte & _SEVEN_BITS) << shift
            shift += 7
        return number | byte << shift

    def _zigzag(self) -> int:
        number = self._varint()
        return number >> 1 ^ -(number & 1)
