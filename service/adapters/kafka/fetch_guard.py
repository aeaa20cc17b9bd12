"""Bounds on what a fetch may become in memory, batch by batch, before the client library sees it.

The library unpacks a whole batch at once (0.3 MB may hold 300 MB), and a batch that it cannot read stops its
partition for ever. So each batch is unpacked here first, into a buffer of fixed size, and read as the library
will read it. What passes is handed on as the very bytes; in the place of what does not stands one marker
record. Names of headers that are not UTF-8, on which the library fails, are made readable where they stand.
The format is record batch v2, and the older message sets, as the Kafka protocol guide defines them.
"""

import secrets
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import cramjam
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c, decode_varint

from domain.record import Extent, Unreadable, UnreadableReason
from domain.wording import byte_count


def with_readable_names(body: bytes, count: int) -> bytearray:
    """The records of an unpacked batch, with `?` for each byte above ASCII in a name that is not UTF-8."""
    records, at = bytearray(body), 0
    for _ in range(count):
        at = _correct_record(records, at)
    return records


def _correct_record(records: bytearray, at: int) -> int:
    """Correct one record's names in place; return where the next record begins."""
    length, at = decode_varint(records, at)
    end: int = at + length
    _, at = decode_varint(records, at + 1)  # attributes, timestamp
    _, at = decode_varint(records, at)  # offset
    at = _end_of_bytes(records, at)  # key
    at = _end_of_bytes(records, at)  # value
    headers, at = decode_varint(records, at)
    for _ in range(headers):
        length, at = decode_varint(records, at)
        records[at : at + length] = _readable_name(records[at : at + length])
        at = _end_of_bytes(records, at + length)
    return end


def _end_of_bytes(records: bytearray, at: int) -> int:
    length, at = decode_varint(records, at)
    return int(at + max(length, 0))


def _readable_name(name: bytearray) -> bytes:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("ascii", "replace").encode("ascii", "replace")
    return bytes(name)


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


# Nobody outside this process knows it, so no record from the wire can bear it.
_MARK: Final = f"laurel-fetch-problem-{secrets.token_hex(16)}"

# base offset, length, leader epoch, magic, checksum | attributes, last offset delta, first and max timestamp,
# producer id, producer epoch, base sequence, number of records
_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_MAGIC_AT, _CRC_AT, _ATTRIBUTES_AT, _LAST_DELTA_AT, _OLDER_ATTRIBUTES_AT = 16, 17, 21, 23, 17
_BEFORE_LENGTH: Final = 12  # the length counts what follows it
_MAGIC: Final = 2
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20
_MOMENT: Final = 1 << 16  # bytes


@dataclass(frozen=True)
class _Batch:
    """A batch and what it says of itself; `packed` are its records as they came."""

    data: bytes
    base_offset: int
    attributes: int
    last_delta: int
    timestamp: int
    producer: tuple[int, int, int]
    count: int
    packed: bytes

    @property
    def codec(self) -> int:
        """As the protocol numbers them."""
        return self.attributes & _CODEC

    def problem(self, reason: UnreadableReason, what: str) -> Unreadable:
        """What is wrong with all of it, for one dead letter."""
        last, packed = self.base_offset + self.last_delta, CODECS.get(self.codec, f"codec {self.codec}")
        detail = (
            f"a batch of {self.count} records, offsets {self.base_offset} to {last}, "
            f"{len(self.data)} bytes with {packed}{what}"
        )
        records = max(self.count, 1)
        extent = Extent(records=records, last_offset=last, reasons={reason: records})
        return Unreadable(reason=reason, detail=detail[:500], extent=extent)


@dataclass(frozen=True)
class Checked:
    """What is handed on, and the first and last offset of each batch in it that holds several records."""

    data: bytes
    batches: list[tuple[int, int]]


def checked(data: bytes, from_offset: int, unpacker: Unpacker) -> Checked:
    """The batches of a fetch, each as it came or as one marker record at `from_offset` or later."""
    several: list[tuple[int, int]] = []
    parts = [_guarded(batch, from_offset, unpacker, several) for batch in _batches(data)]
    return Checked(b"".join(parts), several)


def is_heavy(data: bytes) -> bool:
    """True when looking at it takes more than a moment."""
    return len(data) > _MOMENT or any(batch[_codec_at(batch)] & _CODEC for batch in _batches(data))


def problem_of(headers: Iterable[tuple[str, bytes | None]]) -> Unreadable | None:
    """What a marker record says is wrong; None for a record from the wire, whatever its headers are."""
    texts = (text for name, text in headers if is_mark(name) and text)
    return next((Unreadable.model_validate_json(text) for text in texts), None)


def is_mark(name: str) -> bool:
    """True for the header of a marker record."""
    return name == _MARK


def _batches(data: bytes) -> Iterator[bytes]:
    """Each whole batch; the last one may be torn, and comes whole with the next fetch."""
    at = 0
    while at + _BEFORE_LENGTH <= len(data):
        end = at + _BEFORE_LENGTH + int.from_bytes(data[at + 8 : at + _BEFORE_LENGTH], "big")
        if end > len(data):
            return
        yield data[at:end]
        at = end


def _codec_at(batch: bytes) -> int:
    return _ATTRIBUTES_AT + 1 if batch[_MAGIC_AT] >= _MAGIC else _OLDER_ATTRIBUTES_AT


def _guarded(data: bytes, from_offset: int, unpacker: Unpacker, several: list[tuple[int, int]]) -> bytes:
    older = data[_MAGIC_AT] < _MAGIC
    batch = _read_older(data) if older else _read(data)
    if not older and (batch.attributes & _CONTROL or not _is_sound(data)):
        return data  # the library passes over the one and refuses the other
    try:
        body = unpacker.unpack(batch.codec, batch.packed)
        readable, first, last = _readable(batch, body)
    except KeyError:
        problem = batch.problem("unsupported_compression", " that is unknown")
    except TooLarge:
        too_large = f", holds more than {byte_count(unpacker.limit)}, the limit for unpacking"
        problem = batch.problem("too_large", too_large)
    except Exception as error:  # noqa: BLE001 - whatever it is, the library would meet it and stop for ever
        problem = batch.problem("bad_envelope", f", cannot be unpacked: {error!r}")
    else:
        several.extend([(first, last)] if first < last else [])
        return readable
    return _marker(batch, from_offset, problem)


def _read(data: bytes) -> _Batch:
    base, _, _, _, _, attributes, last, _, latest, *producer, count = _HEAD.unpack_from(data)
    identity = (producer[0], producer[1], producer[2])
    return _Batch(data, base, attributes, last, latest, identity, count, data[_HEAD.size :])


def _read_older(data: bytes) -> _Batch:
    """A message before v2 has one offset, its last one, and holds others in its value when it is packed."""
    offset, attributes = int.from_bytes(data[:8], "big"), data[_OLDER_ATTRIBUTES_AT]
    key_at = _OLDER_ATTRIBUTES_AT + 1 + 8 * data[_MAGIC_AT]  # v1 brought a timestamp
    (key_length,) = struct.unpack_from(">i", data, key_at)
    packed = data[key_at + 8 + max(key_length, 0) :]
    return _Batch(data, offset, attributes, 0, 0, (-1, -1, -1), 1, packed)


def _is_sound(data: bytes) -> bool:
    return bool(calc_crc32c(data[_ATTRIBUTES_AT:]) == int.from_bytes(data[_CRC_AT:_ATTRIBUTES_AT], "big"))


def _readable(batch: _Batch, body: memoryview) -> tuple[bytes, int, int]:
    """The batch as the library can read it, and its first and last offset. Raises what the library raises."""
    try:
        return batch.data, *_ends(batch)
    except UnicodeDecodeError:  # a header name, and nothing else is decoded
        renamed = replace(batch, data=_renamed(batch, bytes(body)))
        return renamed.data, *_ends(renamed)


def _ends(batch: _Batch) -> tuple[int, int]:
    first = last = None
    for record in MemoryRecords(batch.data).next_batch():
        first, last = record.offset if first is None else first, record.offset
    return first or batch.base_offset, last or batch.base_offset


def _renamed(batch: _Batch, body: bytes) -> bytes:
    """The batch unpacked, with header names that can be read: nobody looks for the others anyway."""
    head = bytearray(batch.data[: _HEAD.size])
    head[_ATTRIBUTES_AT + 1] &= ~_CODEC
    readable = with_readable_names(body, batch.count)
    return _closed(head + readable)


def _marker(batch: _Batch, from_offset: int, problem: Unreadable) -> bytes:
    """One record in the batch's place, with its bytes; of its transaction, so what was aborted stays so."""
    builder = DefaultRecordBatchBuilder(
        magic=_MAGIC,
        compression_type=0,
        is_transactional=batch.attributes & _TRANSACTIONAL,
        producer_id=batch.producer[0],
        producer_epoch=batch.producer[1],
        base_sequence=batch.producer[2],
        batch_size=(1 << 31) - 1,  # no limit
    )
    at = max(from_offset - batch.base_offset, 0)
    mark = [(_MARK, problem.model_dump_json().encode())]
    builder.append(at, batch.timestamp, None, batch.data, mark)
    marker = bytearray(builder.build())
    marker[:8] = batch.base_offset.to_bytes(8, "big")
    struct.pack_into(">i", marker, _LAST_DELTA_AT, batch.last_delta)
    return _closed(marker)


def _closed(batch: bytearray) -> bytes:
    """The batch with its length and its checksum set."""
    struct.pack_into(">i", batch, 8, len(batch) - _BEFORE_LENGTH)
    struct.pack_into(">I", batch, _CRC_AT, calc_crc32c(bytes(batch[_ATTRIBUTES_AT:])))
    return bytes(batch)
