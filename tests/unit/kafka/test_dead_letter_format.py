"""A dead letter keeps the record as it was, and the way back keeps its identity."""

import pytest
from aiokafka import ConsumerRecord

from domain.record import Extent, Record, Unreadable
from handlers.envelope import FIRST_COORDINATES
from service.adapters.kafka.dead_letter_format import (
    dead_letter_headers,
    read_dead_letter,
    requeue_headers,
)
from tests.kit.records import record

WHY = Unreadable(reason="not_json", detail="at character 3 \N{SNOWMAN}")


def stored(original: Record, why: Unreadable = WHY) -> ConsumerRecord:
    headers = tuple(dead_letter_headers(original, why))
    return ConsumerRecord("dlq", 1, 9, 1234, 0, original.key, original.value, None, 0, 0, headers)


@pytest.mark.parametrize(
    "original",
    [
        record(None, key=None),
        record(b"", key=b""),
        record(b"\xff\x00", (("x", None), ("y", b"\xff"), ("x", b"again")), key=b"\xfe"),
        record(b"{}", (("laurel-reason", b"mine"), ("laurel-original-offset", b"99"))),
        record(b"{}", (("laurel-records", b'{"records": 3, "last_offset": 9, "reasons": {}}'),)),
    ],
)
def test_bytes_headers_coordinates_and_reason_are_read_back_as_they_were(original: Record) -> None:
    letter = read_dead_letter(stored(original))
    assert letter is not None
    assert (letter.record, letter.why.model_dump()) == (original, WHY.model_dump(exclude={"extent"}))
    assert str(letter.place) == "dlq/1/9@1234"


def test_what_others_put_into_the_topic_is_no_dead_letter() -> None:
    foreign = ConsumerRecord("dlq", 0, 0, 0, 0, None, b"x", None, 0, 0, (("laurel-reason", b"x"),))
    assert read_dead_letter(foreign) is None
    spoiled = stored(record())
    forged = tuple((name, b"x" if name.endswith("offset") else value) for name, value in spoiled.headers)
    assert read_dead_letter(ConsumerRecord("dlq", 0, 0, 0, 0, None, b"x", None, 0, 0, forged)) is None


def test_a_requeued_record_says_where_it_stood_first_even_after_a_second_round() -> None:
    first = record()
    letter = read_dead_letter(stored(first))
    assert letter is not None
    once = tuple(requeue_headers(letter))
    assert once == ((FIRST_COORDINATES, str(first.coordinates).encode()),)
    again = read_dead_letter(stored(record(headers=once, offset=1000)))
    assert again is not None
    assert tuple(requeue_headers(again)) == once


@pytest.mark.parametrize("own", [(), (("x", b"1"), ("laurel-records", b"no JSON"))])
def test_a_letter_for_several_records_says_how_many_and_that_it_cannot_be_requeued(
    own: tuple[tuple[str, bytes | None], ...],
) -> None:
    extent = Extent(records=5, last_offset=12, reasons={"empty": 4, "not_json": 1})
    letter = read_dead_letter(stored(record(None, own), WHY.model_copy(update={"extent": extent})))
    assert letter is not None
    assert letter.record.headers == own
    assert letter.as_json()["several"] == extent.model_dump()
    assert "5 records, which are in training.requested, partition 0, offsets 7 to 12" in letter.requeue


def test_bytes_that_are_no_text_are_shown() -> None:
    letter = read_dead_letter(stored(record(b"\xffabc")))
    assert letter is not None
    assert letter.as_json()["value"] == "\\xffabc"
