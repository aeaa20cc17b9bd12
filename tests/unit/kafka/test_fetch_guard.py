"""A fetch within bounds: what passes is not touched, and in the place of what does not stands one marker."""

import gzip
import struct
from typing import Any

import cramjam
import pytest
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from domain.record import Unreadable
from domain.wording import byte_count
from service.adapters.kafka.fetch_guard import Unpacker, checked, is_heavy, problem_of
from tests.unit.kafka.batches import (
    CODECS,
    GZIP,
    HONEST,
    LZ4,
    NONE,
    SNAPPY,
    ZSTD,
    Content,
    batch,
    older,
    packed,
    read,
    with_codec,
    with_count,
)

LIMIT = 100_000
PACKED = (GZIP, SNAPPY, LZ4, ZSTD)
BOMB: list[Content] = [(None, bytes(LIMIT + 1), [])]
BODY = batch(HONEST)[61:]


def look(data: bytes, from_offset: int = 100) -> bytes:
    return checked(data, from_offset, Unpacker(LIMIT)).data


def marker(data: bytes, from_offset: int = 100) -> tuple[int, bytes | None, Unreadable]:
    """The one record in the batch's place: its offset, its value, and what it says is wrong."""
    ((offset, _, key, value, headers),) = read(look(data, from_offset))
    problem = problem_of(headers)
    assert key is None
    assert problem is not None
    return offset, value, problem


@pytest.mark.parametrize("codec", CODECS)
def test_batches_within_the_bound_are_handed_on_as_the_very_bytes(codec: int) -> None:
    data = batch(HONEST, codec) + batch(HONEST, codec, base_offset=104)
    assert look(data) == data
    assert len(read(data)) == 2 * len(HONEST)
    assert is_heavy(data) == (codec != NONE)


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        (SNAPPY, bytes(cramjam.snappy.compress_raw(BODY))),  # librdkafka
        (LZ4, bytes(cramjam.lz4.compress(BODY))),  # linked blocks and a checksum, as other clients write
        (LZ4, bytes(cramjam.lz4.compress(BODY[:9])) + bytes(cramjam.lz4.compress(BODY[9:]))),
        (GZIP, gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
        (ZSTD, bytes(cramjam.zstd.compress(BODY[:9])) + bytes(cramjam.zstd.compress(BODY[9:]))),
    ],
    ids=["raw snappy", "lz4", "two frames of lz4", "two members of gzip", "two frames of zstd"],
)
def test_what_other_clients_pack_is_read(codec: int, body: bytes) -> None:
    data = packed(HONEST, codec, body)
    assert look(data) == data
    assert [one[3] for one in read(data)] == [value for _, value, _ in HONEST]


@pytest.mark.parametrize("codec", CODECS)
def test_a_batch_that_unpacks_to_too_much_is_one_marker_with_its_bytes(codec: int) -> None:
    data = batch([*HONEST, *BOMB], codec)
    offset, value, problem = marker(data)
    assert (offset, value, problem.reason) == (100, data, "too_large")
    assert "a batch of 5 records, offsets 100 to 104" in problem.detail
    assert f"more than {byte_count(LIMIT)}, the limit" in problem.detail


@pytest.mark.parametrize("codec", PACKED)
def test_a_second_frame_hides_no_bomb(codec: int) -> None:
    if codec == SNAPPY:
        body = b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + 2 * block(bytes(LIMIT - 1))
    else:
        body = 2 * repacked(bytes(LIMIT - 1), codec)
    assert marker(packed(HONEST, codec, body))[2].reason == "too_large"


def block(plain: bytes) -> bytes:
    raw = bytes(cramjam.snappy.compress_raw(plain))
    return struct.pack(">i", len(raw)) + raw


@pytest.mark.parametrize(
    ("codec", "body"),
    [
        *((codec, b"") for codec in PACKED),
        *((codec, b"\xff" * 40) for codec in PACKED),
        *((codec, BODY) for codec in PACKED),
        (GZIP, gzip.compress(BODY)[:-9]),
        (ZSTD, bytes(cramjam.zstd.compress(BODY))[:-2]),
        (LZ4, bytes(cramjam.lz4.compress(BODY))[:-6]),
        (SNAPPY, bytes(cramjam.snappy.compress_raw(BODY))[:-2]),
        (SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, -4) + b"\0" * 20),
        (SNAPPY, b"\x82SNAPPY\0" + struct.pack(">iii", 1, 1, 99) + b"\0" * 20),
        (SNAPPY, b"\x82SNAPPY\0" + struct.pack(">ii", 1, 1) + b"\0"),
        (NONE, b"\0" * 20_600),
    ],
)
def test_a_batch_that_does_not_unpack_is_one_marker(codec: int, body: bytes) -> None:
    offset, _, problem = marker(packed(HONEST, codec, body))
    assert (offset, problem.reason) == (100, "bad_envelope")


def test_a_block_of_snappy_that_claims_gigabytes_is_refused_unread() -> None:
    claim = packed(HONEST, SNAPPY, b"\xff\xff\xff\xff\x0f" + b"\0" * 40)
    assert marker(claim)[2].reason == "too_large"


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_a_codec_that_nobody_knows_is_named(codec: int) -> None:
    _, _, problem = marker(with_codec(batch(HONEST), codec))
    assert problem.reason == "unsupported_compression"
    assert f"codec {codec}" in problem.detail


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("count", [0, 1, 5, 1_000_000, 2**31 - 1, -1])
def test_a_batch_that_claims_a_false_number_of_records_is_one_marker(codec: int, count: int) -> None:
    assert marker(with_count(batch(HONEST, codec), count))[2].reason == "bad_envelope"


def test_a_marker_stands_where_reading_goes_on_and_its_batch_is_over_after_it() -> None:
    spoiled = with_codec(batch(HONEST), 7)
    data = look(spoiled, 102) + look(batch(HONEST, base_offset=104), 102)
    assert [one[0] for one in read(data)] == [102, 104, 105, 106, 107]
    assert MemoryRecords(look(spoiled, 102)).next_batch().next_offset == 104


@pytest.mark.parametrize("transactional", [0, 1])
def test_a_marker_belongs_to_the_transaction_of_its_batch(transactional: int) -> None:
    """Else an aborted batch that cannot be read would become a dead letter."""
    spoiled = with_codec(batch(HONEST, transactional=transactional), 7)
    marked = MemoryRecords(look(spoiled)).next_batch()
    assert (marked.is_transactional, marked.producer_id) == (bool(transactional), 7)
    assert not marked.is_control_batch


@pytest.mark.parametrize("codec", CODECS)
def test_header_names_that_are_not_utf8_become_readable_and_nothing_else_changes(codec: int) -> None:
    data = batch([(b"k", b"v", [("ab", b"1"), ("\u00e9", None)]), *HONEST]).replace(b"\x04ab", b"\x04\xfea")
    spoiled = packed([*HONEST, HONEST[0]], codec, repacked(data[61:], codec))
    with pytest.raises(UnicodeDecodeError):
        read(spoiled)
    first, *others = read(look(spoiled))
    assert first[2:] == (b"k", b"v", [("?a", b"1"), ("\u00e9", None)])
    assert [one[2:] for one in others] == HONEST


def repacked(body: bytes, codec: int) -> bytes:
    pack: dict[int, Any] = {
        NONE: bytes,
        GZIP: gzip.compress,
        SNAPPY: cramjam.snappy.compress_raw,
        LZ4: cramjam.lz4.compress,
        ZSTD: cramjam.zstd.compress,
    }
    return bytes(pack[codec](body))


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("codec", [NONE, GZIP, SNAPPY])
def test_messages_of_older_formats_are_bounded_too(magic: int, codec: int) -> None:
    honest = older(HONEST, magic, codec)
    assert look(honest, 0) == honest
    spoiled = older(BOMB, magic, codec)
    offset, value, problem = marker(spoiled, 0)
    assert (offset, value, problem.reason) == (0, spoiled, "too_large")


def test_older_lz4_that_the_library_cannot_read_is_marked() -> None:
    spoiled = bytearray(older(HONEST, 0, GZIP))
    spoiled[17] = LZ4
    assert marker(bytes(spoiled), 0)[2].reason == "bad_envelope"


def test_damaged_bytes_are_left_to_the_library_which_refuses_them() -> None:
    data = bytearray(batch(HONEST))
    data[-1] ^= 1
    assert look(bytes(data)) == bytes(data)


def test_a_batch_that_is_torn_at_the_end_of_a_fetch_is_left_out() -> None:
    whole = batch(HONEST)
    assert look(whole + batch(HONEST, base_offset=104)[:-5]) == whole
    assert look(whole + b"\0" * 11) == whole


@given(st.sampled_from(CODECS), st.binary(max_size=200), st.integers(-2, 10))
def test_whatever_a_batch_holds_the_library_can_read_what_is_handed_on(
    codec: int, body: bytes, count: int
) -> None:
    read(look(with_count(packed(HONEST, codec, body), count)))


def test_no_record_from_the_wire_can_bear_the_mark() -> None:
    forged: list[tuple[str, bytes | None]] = [
        ("laurel-fetch-problem", b"too_large: x"),
        ("laurel-fetch-problem-" + "0" * 32, b'{"reason": "empty", "detail": ""}'),
    ]
    assert problem_of(forged) is None
