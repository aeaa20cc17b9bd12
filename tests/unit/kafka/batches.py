"""Record batches as a producer packs them, and how the client library reads them."""

import struct

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

Headers = list[tuple[str, bytes | None]]
Content = tuple[bytes | None, bytes | None, Headers]

NONE, GZIP, SNAPPY, LZ4, ZSTD = range(5)
CODECS = (NONE, GZIP, SNAPPY, LZ4, ZSTD)
HONEST: list[Content] = [
    (b"k", b"v", [("h", b"1"), ("n", None)]),
    (None, None, []),
    (b"", b"", [("long", b"x" * 500)]),
    (b"k" * 200, b"v" * 20_000, []),
]


def batch(
    contents: list[Content], codec: int = NONE, base_offset: int = 100, *, transactional: int = 0
) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=transactional,
        producer_id=7,
        producer_epoch=1,
        base_sequence=3,
        batch_size=1 << 30,
    )
    for number, (key, value, headers) in enumerate(contents):
        builder.append(number, 1000 + number, key, value, headers)
    return base_offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def older(contents: list[Content], magic: int, codec: int = NONE) -> bytes:
    """A message set of the time before record batches; packed ones have one message around them."""
    builder = LegacyRecordBatchBuilder(magic=magic, compression_type=codec, batch_size=1 << 30)
    for number, (key, value, _) in enumerate(contents):
        builder.append(number, 1000 + number, key, value)
    return bytes(builder.build())


def packed(contents: list[Content], codec: int, body: bytes) -> bytes:
    """A batch whose packed records are these bytes, whoever packed them."""
    return closed(bytearray(with_codec(batch(contents), codec)[:61]) + body)


def with_codec(data: bytes, codec: int) -> bytes:
    """Say that the batch is packed in another way."""
    changed = bytearray(data)
    changed[22] = changed[22] & ~7 | codec
    return closed(changed)


def with_count(data: bytes, count: int) -> bytes:
    """Say that the batch holds another number of records."""
    changed = bytearray(data)
    struct.pack_into(">i", changed, 57, count)
    return closed(changed)


def closed(changed: bytearray) -> bytes:
    """Make length and checksum right."""
    struct.pack_into(">i", changed, 8, len(changed) - 12)
    changed[17:21] = calc_crc32c(bytes(changed[21:])).to_bytes(4, "big")
    return bytes(changed)


def read(data: bytes) -> list[tuple[int, int, bytes | None, bytes | None, Headers]]:
    """Read as the client library does."""
    records, found = MemoryRecords(data), []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in one]
    return found
