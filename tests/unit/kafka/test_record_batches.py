"""A fetch within bounds: what is kept, what is cut, and that nothing honest is changed."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from handlers.envelope import FETCH_PROBLEM
from service.adapters.kafka.record_batches import Limits, bounded, needs_work
from service.adapters.kafka.varints import ByteStream, TornRecord, encode_varint

Headers = list[tuple[str, bytes | None]]
Content = tuple[bytes | None, bytes | None, Headers]

PLAIN, GZIP, ZSTD = 0, 1, 4
HONEST: list[Content] = [
    (b"k", b"v", [("h", b"1"), ("n", None)]),
    (None, None, []),
    (b"", b"", [("long", b"x" * 500)]),
    (b"k" * 200, b"v" * 20_000, []),
]


def batch(contents: list[Content], codec: int = PLAIN, base_offset: int = 100) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=7,
        producer_epoch=1,
        base_sequence=3,
        batch_size=1 << 30,
    )
    for number, (key, value, headers) in enumerate(contents):
        builder.append(number, 1000 + number, key, value, headers)
    data = bytearray(builder.build())
    data[:8] = base_offset.to_bytes(8, "big")
    return bytes(data)


def with_codec(data: bytes, codec: int) -> bytes:
    """Say that the batch is compressed in another way, and make its checksum right again."""
    from aiokafka.record.util import calc_crc32c  # noqa: PLC0415 - belongs to this one trick

    changed = bytearray(data)
    changed[22] = codec
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


@pytest.mark.parametrize("codec", [PLAIN, GZIP])
def test_honest_records_come_through_unchanged(codec: int) -> None:
    data = batch(HONEST, codec) + batch(HONEST, codec, base_offset=104)
    assert read(bounded(data, 100, Limits())) == read(data)


def test_uncompressed_batches_are_handed_on_as_the_very_bytes() -> None:
    data = batch(HONEST)
    assert bounded(data, 100, Limits()) == data
    assert not needs_work(data)
    assert needs_work(batch(HONEST, GZIP))


def test_a_record_that_is_too_long_is_cut_and_marked_and_its_neighbours_are_whole() -> None:
    data = batch([HONEST[0], (b"k", b"\0" * 3_000_000, [("x", b"y")]), HONEST[3]], GZIP)
    first, long, last = read(bounded(data, 100, Limits(record=100_000)))
    assert (first[0], long[0], last[0]) == (100, 101, 102)
    assert (first[3], last[3]) == (HONEST[0][1], HONEST[3][1])
    assert long[3] == b"\0" * 50_000
    assert [(name, (text or b"")[:9]) for name, text in long[4]] == [(FETCH_PROBLEM, b"too_large")]


def test_a_batch_over_the_budget_comes_in_parts_that_lack_nothing() -> None:
    data = batch([(None, bytes([n]) * 1000, []) for n in range(50)], GZIP) + batch(HONEST, base_offset=150)
    offset, found, fetches = 100, [], 0
    while offset < 154:
        part = [one for one in read(bounded(data, offset, Limits(budget=10_000))) if one[0] >= offset]
        found += part
        offset = part[-1][0] + 1
        fetches += 1
    assert found == read(data)
    assert fetches > 4


def test_a_header_name_that_is_not_utf8_is_marked_and_the_record_is_readable() -> None:
    data = with_codec(
        batch([(b"k", b"v", [("ab", b"1")]), HONEST[0]]).replace(b"\x04ab", b"\x04\xff\xfe"), PLAIN
    )
    with pytest.raises(UnicodeDecodeError):
        read(data)
    marked, untouched = read(bounded(data, 100, Limits()))
    assert marked[2:4] == (b"k", b"v")
    assert marked[4][0][0] == FETCH_PROBLEM
    assert untouched[4] == HONEST[0][2]


def test_a_compression_that_cannot_be_unpacked_leaves_one_marked_record_for_each() -> None:
    stubs = read(bounded(with_codec(batch(HONEST), ZSTD), 101, Limits()))
    assert [one[0] for one in stubs] == [101, 102, 103]
    assert all(
        one[4][0][1] == b"unsupported_compression: zstd; send it uncompressed or with gzip" for one in stubs
    )


def test_a_compressed_batch_that_breaks_off_leaves_marked_records() -> None:
    stubs = read(bounded(with_codec(batch(HONEST), GZIP), 100, Limits()))
    assert len(stubs) == len(HONEST)
    assert stubs[0][4][0][0] == FETCH_PROBLEM


def test_damaged_bytes_are_left_to_the_library_which_refuses_them() -> None:
    data = bytearray(batch(HONEST))
    data[-1] ^= 1
    assert bounded(bytes(data), 100, Limits()) == bytes(data)


def test_a_batch_that_is_torn_at_the_end_of_a_fetch_is_left_out() -> None:
    whole = batch(HONEST)
    assert bounded(whole + batch(HONEST, base_offset=104)[:-5], 100, Limits()) == whole


@pytest.mark.parametrize("number", [0, 1, -1, 63, -64, 64, 300, -300, 2**31, -(2**31), 2**63 - 1, -(2**63)])
def test_numbers_are_read_as_they_were_written(number: int) -> None:
    pieces = iter([bytes([byte]) for byte in encode_varint(number)])
    assert ByteStream(pieces).varint() == number


def test_a_number_that_never_ends_is_refused() -> None:
    with pytest.raises(TornRecord):
        ByteStream(iter([b"\xff" * 20])).varint()
