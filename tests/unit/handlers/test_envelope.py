"""The envelope of a record: what is read from headers, and what is refused."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.record import Record, Unreadable
from handlers.envelope import FIRST_COORDINATES, MOST_HEADERS, EnvelopeRefused, is_moment, open_record
from tests.kit.records import EVENT, binary, record, structured

NO_MOMENTS = (
    "2026-01-31T06:00:00",  # no zone
    "2026-02-29T06:00:00Z",
    "1900-02-29T06:00:00Z",
    "2026-04-31T06:00:00Z",
    "2026-13-01T06:00:00Z",
    "2026-01-00T06:00:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T06:60:00Z",
    "2026-01-31T06:00:60Z",  # no leap second there
    "2026-01-31T06:00:61Z",
    "2026-01-31T06:00Z",
    "2026-01-31T06:00:00.Z",
    "2026-01-31T06:00:00+24:00",
    "2026-01-31T06:00:00+0100",
    "2026-01-31T06:00:00+01",
    "2026-01-31 06:00:00Z",
    "2026-01-31",
    "20260131T060000Z",
    "26-01-31T06:00:00Z",
    "+2026-01-31T06:00:00Z",
    "2026-W05-6T06:00:00Z",
    " 2026-01-31T06:00:00Z",
    "2026-01-31T06:00:00Z\n",
    "\u0662026-01-31T06:00:00Z",
    "1700000000",
    "Sat, 31 Jan 2026 06:00:00 GMT",
    "now",
)
MOMENTS = (
    None,
    "2026-01-31T06:00:00Z",
    "2024-02-29t23:59:59.123456789z",
    "2000-02-29T00:00:00-23:59",
    "0000-02-29T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2016-12-31T15:59:60.5-08:00",
    "2026-01-31T06:00:00+05:30",
)
LIMIT = 1000


def why(bad: Record) -> tuple[str, str]:
    with pytest.raises(EnvelopeRefused) as refused:
        open_record(bad, wire_type=EVENT["type"], max_bytes=LIMIT)
    return refused.value.why.reason, refused.value.why.detail


def test_binary_and_structured_mode_say_the_same() -> None:
    payload = {"split_version": 3}
    in_headers = open_record(binary(payload, correlationid="c"), wire_type=EVENT["type"], max_bytes=LIMIT)
    in_body = open_record(structured(payload, correlationid="c"), wire_type=EVENT["type"], max_bytes=LIMIT)
    assert in_headers == in_body
    assert in_headers.payload == payload
    assert in_headers.attributes["correlationid"] == "c"


def test_plain_json_has_no_attributes_whatever_its_content_type() -> None:
    plain = record(b'{"reason": "x"}', (("content-type", b"text/plain"), ("reply_to", b"elsewhere")))
    opened = open_record(plain, wire_type=EVENT["type"], max_bytes=LIMIT)
    assert (opened.payload, opened.attributes) == ({"reason": "x"}, {})


def test_base64_data_is_read() -> None:
    event = structured(data_base64=base64.b64encode(b'{"reason": "y"}').decode())
    assert open_record(event, wire_type=EVENT["type"], max_bytes=LIMIT).payload == {"reason": "y"}


def test_a_value_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    value = b'{"reason": "' + b"x" * (LIMIT - 14) + b'"}'
    assert open_record(record(value), wire_type=EVENT["type"], max_bytes=LIMIT).payload
    assert why(record(value + b" "))[0] == "too_large"


@pytest.mark.parametrize("value", [None, b""])
def test_no_content_is_empty(value: bytes | None) -> None:
    assert why(record(value))[0] == "empty"


@pytest.mark.parametrize(
    "bad",
    [
        record(headers=(("ce_id", None),)),
        record(headers=(("ce_source", b"\xff\xfe"),)),
        record(headers=(("content-type", None),)),
        record(headers=(("Content-Type", b"\xff"),)),
        record(headers=(("content-type", b"a/b"), ("Content-Type", b"a/c"))),
        record(headers=tuple((f"x{n}", b"1") for n in range(10_000))),
        record(headers=(("ce_id", b"1"), ("ce_id", b"2"))),
        binary(specversion="0.3"),
        binary(specversion=None),
        binary(type="laurel.model.promoted.v1"),
        binary(type=None),
        binary(id=None),
        binary(id=""),
        binary(source=None),
        binary(source="a b"),
        binary(id="x" * 300),
        binary(correlationid="a\r\nset-cookie: b"),
        binary(correlationid="a\x00"),
        binary(correlationid="\u202eabc"),
        binary(correlationid=""),
        binary(correlationid="c" * 201),
        structured(specversion="2.0"),
        structured(specversion=None),
        structured(id=7),
        structured(type=["x"]),
        structured(data_base64="%%%"),
        structured(time=1_700_000_000),
        structured(time=""),
        binary().model_copy(update={"headers": (*binary().headers, ("ce_time", b"\xff"))}),
        *(event(time=time) for event in (binary, structured) for time in NO_MOMENTS),
        record(b"[]", (("content-type", b"application/cloudevents-batch+json"),)),
    ],
)
def test_an_envelope_that_cannot_be_trusted_is_refused(bad: Record) -> None:
    assert why(bad)[0] == "bad_envelope"


@pytest.mark.parametrize("event", [binary, structured])
@pytest.mark.parametrize("time", MOMENTS)
def test_a_time_of_rfc_3339_is_taken(event: Callable[..., Record], time: str | None) -> None:
    assert open_record(event(time=time), wire_type=EVENT["type"], max_bytes=LIMIT).attributes == EVENT


@given(st.datetimes(timezones=st.timezones()))
def test_every_moment_that_python_writes_with_whole_minutes_of_zone_is_taken(moment: datetime) -> None:
    whole = (moment.utcoffset() or timedelta()) % timedelta(minutes=1) == timedelta()
    assert is_moment(moment.isoformat()) == whole
    assert not is_moment(moment.replace(tzinfo=None).isoformat())


@pytest.mark.parametrize("data", [[], "text", 3])
def test_structured_data_must_be_an_object(data: object) -> None:
    assert why(structured(data))[0] == "not_an_object"


def test_the_number_of_headers_is_bounded() -> None:
    most = tuple((f"x{n}", b"1") for n in range(MOST_HEADERS))
    assert open_record(record(headers=most), wire_type=EVENT["type"], max_bytes=LIMIT).payload == {}


def test_what_the_consumer_found_wrong_is_the_reason() -> None:
    problem = Unreadable(reason="too_large", detail="a batch of 300 MB")
    marked = record(b"{}").model_copy(update={"problem": problem})
    assert why(marked) == ("too_large", "a batch of 300 MB")


@pytest.mark.parametrize(
    "headers",
    [
        (("dd-pathway-ctx", b"\x9d\xc3\x28\x07\xff"),),
        (("traceparent", None),),
        (("x", b"1"), ("x", b"2"), ("x", None)),
        (("", b""), ("CE_ID", None), ("ce-id", b"\xff"), ("ce_", b"\xff"), ("ce_i\ud7ffd", b"\xff")),
        (
            ("ce_time", None),
            ("ce_subject", b"\xff"),
            ("ce_traceparent", b"\xff"),
        ),
        (("content-type-x", None), ("Content-type ", b"\xff")),
        (("content-type", b"application/json"), ("Content-Type", b"application/json")),
        (("laurel-reason", b"\xff"), ("laurel-original-offset", b"x"), ("laurel-fetch-problem", b"x")),
        ((FIRST_COORDINATES, None), (FIRST_COORDINATES, b"somewhere"), (FIRST_COORDINATES, b"\xff")),
        (("spring_json_header_types", b"\x00"), ("__TypeId__", b"\xff"), ("reply_to", b"\xff")),
    ],
)
def test_headers_that_nobody_reads_harm_no_request(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    opened = open_record(record(b"{}", headers), wire_type=EVENT["type"], max_bytes=LIMIT)
    assert (opened.payload, opened.attributes, opened.first_coordinates) == ({}, {}, None)
    event = binary()
    with_them = event.model_copy(update={"headers": headers + event.headers})
    assert open_record(with_them, wire_type=EVENT["type"], max_bytes=LIMIT).attributes == EVENT


def test_a_header_that_says_the_same_twice_is_read_once() -> None:
    event = binary()
    twice = event.model_copy(update={"headers": event.headers + event.headers})
    assert open_record(twice, wire_type=EVENT["type"], max_bytes=LIMIT).attributes == EVENT


@pytest.mark.parametrize("name", ["content-type", "Content-Type", "CONTENT-TYPE"])
@pytest.mark.parametrize("text", ["application/cloudevents+json", " Application/CloudEvents+JSON ;x=y"])
def test_structured_mode_is_known_however_its_content_type_is_spelled(name: str, text: str) -> None:
    event = structured({"reason": "x"}).model_copy(update={"headers": ((name, text.encode()),)})
    opened = open_record(event, wire_type=EVENT["type"], max_bytes=LIMIT)
    assert (opened.payload, opened.attributes) == ({"reason": "x"}, EVENT)


def test_a_refusal_does_not_repeat_long_input() -> None:
    assert len(why(binary(type="t" * 256))[1]) < 200
