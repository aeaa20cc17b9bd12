"""Bounds on what a fetch may become in memory: batches are cut down before the client library sees them.

The library decompresses a whole batch at once (0.3 MB may hold 300 MB) and fails on a header name that is not
UTF-8. So compressed batches are unpacked here as a stream, and handed on uncompressed: a record that is too
long is cut and marked, and once `budget` bytes were kept the rest is left for the next fetch. The format is
record batch v2, as the Kafka protocol guide defines it.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aiokafka.record.util import calc_crc32c

from handlers.envelope import FETCH_PROBLEM
from service.adapters.kafka.varints import ByteStream, TornRecord, encode_varint

# base offset, length, leader epoch, magic, crc | attributes, last offset delta, first and max timestamp,
# producer id, producer epoch, base sequence, number of records
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_ATTRIBUTES_AT: Final = 21  # the checksum covers everything from here
_BEFORE_LENGTH: Final = 12  # the length counts what follows it
_MAGIC: Final = 2  # older formats hold what no living producer writes, and are passed on
_CODEC: Final = 0x07
_CONTROL: Final = 0x20
_CODECS: Final[Mapping[int, str]] = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_CHUNK: Final = 1 << 16


@dataclass(frozen=True)
class Limits:
    """In bytes: the longest record that is kept whole, and how much one answer may hold of one partition."""

    record: int = 1 << 20
    budget: int = 8 << 20


@dataclass(frozen=True)
class _Header:
    """What a batch says about itself, and the bytes of its records as they came."""

    base_offset: int
    leader_epoch: int
    attributes: int
    last_offset_delta: int
    timestamps: tuple[int, int]
    producer: tuple[int, int, int]
    count: int
    body: bytes


def needs_work(data: bytes) -> bool:
    """True when a batch among them is compressed, so that bounding it takes more than a moment."""
    return any(magic == _MAGIC and attributes & _CODEC for _, magic, attributes in _outlines(data))


def bounded(data: bytes, from_offset: int, limits: Limits) -> bytes:
    """Return the record batches of a fetch within the limits, from `from_offset` on."""
    kept: list[bytes] = []
    room = limits.budget
    for batch, magic, attributes in _outlines(data):
        asis = magic != _MAGIC or attributes & _CONTROL or not _is_sound(batch)
        part, whole = (batch, True) if asis else _bounded_batch(batch, from_offset, limits, room)
        kept.append(part)
        room -= len(part)
        if not whole or room <= 0:
            break
    return b"".join(kept)


def _outlines(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Each batch with its magic and attributes; the last one may be torn, and is left out then."""
    at = 0
    while at + _HEADER.size <= len(data):
        (length,) = struct.unpack_from(">i", data, at + 8)
        end = at + _BEFORE_LENGTH + length
        if end > len(data):
            return
        (attributes,) = struct.unpack_from(">h", data, at + _ATTRIBUTES_AT)
        yield data[at:end], data[at + 16], attributes
        at = end


def _is_sound(batch: bytes) -> bool:
    (crc,) = struct.unpack_from(">I", batch, 17)
    return bool(calc_crc32c(batch[_ATTRIBUTES_AT:]) == crc)


def _bounded_batch(batch: bytes, from_offset: int, limits: Limits, room: int) -> tuple[bytes, bool]:
    """The batch, rebuilt if it has to be; False when it had to end early."""
    header = _read_header(batch)
    codec = header.attributes & _CODEC
    if codec not in _STREAMS:
        problem = f"unsupported_compression: {_CODECS.get(codec, codec)}; send it uncompressed or with gzip"
        return _rebuilt(header, _stubs(header, from_offset, limits, problem)), True
    try:
        return _bounded_records(batch, header, from_offset, limits, room)
    except (TornRecord, zlib.error) as error:
        problem = f"bad_envelope: the batch cannot be unpacked: {error}"
        return _rebuilt(header, _stubs(header, from_offset, limits, problem)), True


def _bounded_records(
    batch: bytes, header: _Header, from_offset: int, limits: Limits, room: int
) -> tuple[bytes, bool]:
    codec = header.attributes & _CODEC
    stream = ByteStream(_STREAMS[codec](header.body))
    kept, changed, spent = [], codec != 0, 0
    for _ in range(header.count):
        delta, record, altered = _read_record(stream, limits.record)
        changed = changed or altered
        if header.base_offset + delta < from_offset:
            continue
        kept.append((delta, record))
        spent += len(record)
        if spent >= room and delta < header.last_offset_delta:
            return _rebuilt(replace(header, last_offset_delta=delta), kept), False
    return (_rebuilt(header, kept) if changed else batch), True


def _read_header(batch: bytes) -> _Header:
    base, _, epoch, _, _, attributes, last, first_at, max_at, pid, pepoch, sequence, count = (
        _HEADER.unpack_from(batch)
    )
    body = batch[_HEADER.size :]
    return _Header(base, epoch, attributes, last, (first_at, max_at), (pid, pepoch, sequence), count, body)


def _rebuilt(header: _Header, records: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(encode_varint(len(record)) + record for _, record in records)
    length = _HEADER.size - _BEFORE_LENGTH + len(body)
    attributes = header.attributes & ~_CODEC
    fields = (attributes, header.last_offset_delta, *header.timestamps, *header.producer, len(records))
    head = _HEADER.pack(header.base_offset, length, header.leader_epoch, _MAGIC, 0, *fields)
    crc = calc_crc32c(head[_ATTRIBUTES_AT:] + body)
    return head[:17] + struct.pack(">I", crc) + head[_ATTRIBUTES_AT:] + body


def _read_record(stream: ByteStream, longest: int) -> tuple[int, bytes, bool]:
    """One record without its length: its offset delta, its bytes, and whether they had to be altered."""
    length = stream.varint()
    if length > longest:
        return (*_cut(stream, length, longest), True)
    record = stream.read(length)
    part = ByteStream(iter([record]))
    part.read(1)
    part.varint()
    delta = part.varint()
    if not _names_are_utf8(part):
        return delta, _marked(record, "bad_envelope: a header's name is not UTF-8"), True
    return delta, record, False


def _names_are_utf8(part: ByteStream) -> bool:
    """Whether the library can read the names of all headers; `part` stands in front of the key."""
    part.skip(max(part.varint(), 0))
    part.skip(max(part.varint(), 0))
    for _ in range(part.varint()):
        try:
            part.read(part.varint()).decode("utf-8")
        except UnicodeDecodeError:
            return False
        part.skip(max(part.varint(), 0))
    return True


def _marked(record: bytes, problem: str) -> bytes:
    """The record with its key and value, and the problem in the place of its headers."""
    part = ByteStream(iter([record]))
    start = part.read(1) + encode_varint(part.varint()) + encode_varint(part.varint())
    return start + _bytes(_field(part, len(record))) + _bytes(_field(part, len(record))) + _header(problem)


def _cut(stream: ByteStream, length: int, longest: int) -> tuple[int, bytes]:
    """The start of a record that is too long; its headers stand behind its value and are lost."""
    begin = stream.position
    start = stream.read(1) + encode_varint(stream.varint())
    delta = stream.varint()
    key, value = _field(stream, longest // 2), _field(stream, longest // 2)
    stream.skip(length - (stream.position - begin))
    problem = _header(f"too_large: a record of {length} bytes; only its start was kept")
    return delta, start + encode_varint(delta) + _bytes(key) + _bytes(value) + problem


def _field(stream: ByteStream, longest: int) -> bytes | None:
    length = stream.varint()
    if length < 0:
        return None
    kept = stream.read(min(length, longest))
    stream.skip(length - len(kept))
    return kept


def _bytes(value: bytes | None) -> bytes:
    return encode_varint(-1) if value is None else encode_varint(len(value)) + value


def _header(problem: str) -> bytes:
    return encode_varint(1) + _bytes(FETCH_PROBLEM.encode()) + _bytes(problem.encode())


def _stubs(header: _Header, from_offset: int, limits: Limits, problem: str) -> list[tuple[int, bytes]]:
    """One marked record for each that stays hidden; the first one carries the batch's bytes."""
    stubs = []
    for delta in range(max(from_offset - header.base_offset, 0), header.count):
        value = header.body[: limits.record] if delta == 0 else None
        start = b"\0" + encode_varint(0) + encode_varint(delta)
        stubs.append((delta, start + _bytes(None) + _bytes(value) + _header(problem)))
    return stubs


def _plain(body: bytes) -> Iterator[bytes]:
    yield body


def _gunzipped(body: bytes) -> Iterator[bytes]:
    """Unpack piece by piece; a stream may have several members."""
    while body:
        member = zlib.decompressobj(wbits=31)
        pending = body
        while pending and not member.eof:
            yield member.decompress(pending, _CHUNK)
            pending = member.unconsumed_tail
        body = member.unused_data


_STREAMS: Final[Mapping[int, Callable[[bytes], Iterator[bytes]]]] = {0: _plain, 1: _gunzipped}
