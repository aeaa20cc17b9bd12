"""Kafka's zigzag varints, read from a stream of which only a piece is in memory."""

from collections.abc import Iterator


class TornRecord(ValueError):
    """The stream ended within a record."""


class ByteStream:
    """Reads forward through pieces of bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0
        self._before = 0

    @property
    def position(self) -> int:
        """How many bytes were read or skipped."""
        return self._before + self._at

    def read(self, count: int) -> bytes:
        """The next `count` bytes. Raises TornRecord when there are fewer."""
        parts = []
        while count > 0:
            part = self._take(count)
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes without keeping them."""
        while count > 0:
            count -= len(self._take(count))

    def varint(self) -> int:
        """The next signed number."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._take(1)[0]
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
        raise TornRecord("a number longer than 64 bits")

    def _take(self, most: int) -> bytes:
        while self._at >= len(self._piece):
            self._before += len(self._piece)
            try:
                self._piece, self._at = next(self._pieces), 0
            except StopIteration:
                self._piece, self._at = b"", 0
                raise TornRecord("the stream ends within a record") from None
        part = self._piece[self._at : self._at + most]
        self._at += len(part)
        return part


def encode_varint(number: int) -> bytes:
    """Write a signed number (at most 64 bits)."""
    value = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        encoded.append((value & 0x7F) | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
