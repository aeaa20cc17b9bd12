"""The codecs of Kafka, unpacked into a buffer of fixed size: what is larger than the buffer is refused."""

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import cramjam

CODECS: Final[Mapping[int, str]] = {0: "no codec", 1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
# How Java's snappy begins; blocks with their lengths follow. All else is one block, as librdkafka writes it.
_XERIAL: Final = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
_BUFFER_IS_FULL: Final = "failed to write whole buffer"  # how the codecs' library says so


class TooLarge(ValueError):
    """It unpacks to more than the buffer holds."""


class Torn(ValueError):
    """It does not unpack."""


class Unpacker:
    """Unpacks into one buffer of `limit` bytes, which it makes when the first batch needs it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._buffer = bytearray()

    def unpack(self, codec: int, packed: bytes) -> memoryview:
        """What `packed` holds, valid until the next call. Raises TooLarge, Torn."""
        if codec == 0:
            return self._plain(packed)
        self._buffer = self._buffer or bytearray(self.limit)
        try:
            size = _UNPACK[codec](packed, self._buffer)
        except (cramjam.DecompressionError, struct.error) as error:
            fault = TooLarge if _BUFFER_IS_FULL in str(error) else Torn
            raise fault(str(error)) from error
        return memoryview(self._buffer)[:size]

    def _plain(self, packed: bytes) -> memoryview:
        if len(packed) > self.limit:
            raise TooLarge(f"{len(packed)} bytes")
        return memoryview(packed)


def _snappy(packed: bytes, buffer: bytearray) -> int:
    size = 0
    for block in _blocks(packed):
        # The block says how long it is, and the library believes it: ask before it makes room for that.
        if size + cramjam.snappy.decompress_raw_len(block) > len(buffer):
            raise TooLarge("snappy's own length is above it")
        size += cramjam.snappy.decompress_raw_into(block, memoryview(buffer)[size:])
    return size


def _blocks(packed: bytes) -> Iterator[bytes]:
    if not packed.startswith(_XERIAL):
        yield packed
        return
    at = len(_XERIAL)
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        at += 4
        if not 0 < length <= len(packed) - at:
            raise Torn(f"a block of snappy is {length} bytes long")
        yield packed[at : at + length]
        at += length


_UNPACK: Final[Mapping[int, Callable[[bytes, Any], int]]] = {
    1: cramjam.gzip.decompress_into,
    2: _snappy,
    3: cramjam.lz4.decompress_into,
    4: cramjam.zstd.decompress_into,
}
