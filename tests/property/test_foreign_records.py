"""Whatever others write into our topics is read, shown and sent back: never with an exception."""

import json

from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from config.topics import EVENT_TOPICS
from domain.wording import visible
from handlers.envelope import FIRST_COORDINATES
from service.adapters.kafka.dead_letter_format import read_dead_letter, requeue_headers
from service.adapters.kafka.foreign import as_record
from service.adapters.kafka.requests import event_of
from service.cli.formatting import event_line

Headers = list[tuple[str, bytes | None]]

_OURS = ("reason", "detail", "original-topic", "original-partition", "original-offset", "original-timestamp")
_FIELDS = (
    *("run_id", "train", "reference", "rows", "sha256", "candidate", "champion", "metrics", "rmsle"),
    *("generation", "version", "cause", "reasons", "decision", "faults", "message", "reason", "detail"),
    *("replica", "seconds_since_promotion"),
)
numbers = st.integers(-(2**70), 2**70) | st.sampled_from([10**308, -(10**308), 2**63, 0])
leaves = st.none() | st.booleans() | numbers | st.floats() | st.text(max_size=9)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=9),
    max_leaves=25,
)
events = st.dictionaries(st.sampled_from(_FIELDS), values).map(lambda event: json.dumps(event).encode())
odd = st.sampled_from(
    [
        b'{"run_id": ' + b"7" * 5000 + b"}",
        b'{"reasons": "\\ud800", "generation": 1}',
        b"[" * 9_000,
        b'{"a": ' * 500 + b"1" + b"}" * 500,
    ]
)
timestamps = st.integers(-(2**63), 2**63 - 1)
bodies = st.none() | st.binary(max_size=60) | events | odd
written = st.none() | st.binary(max_size=20) | st.integers().map(lambda n: str(n).encode())
parts = written | st.sampled_from([b"7" * 5000, "\u0663".encode(), b"-1", b"+1", b" 1", b"1_0", b"", b"x/y"])
letters = st.tuples(*(parts for _ in _OURS)).map(
    lambda texts: [(f"laurel-{name}", text) for name, text in zip(_OURS, texts, strict=True)]
)
any_headers = st.lists(st.tuples(st.text(max_size=9), written), max_size=4)


def raw(topic: str, timestamp: int, value: bytes | None, headers: Headers) -> ConsumerRecord:
    return ConsumerRecord(topic, 0, 5, timestamp, 0, b"\xff", value, None, 1, 1, tuple(headers))


@given(st.sampled_from(EVENT_TOPICS), timestamps, bodies, any_headers)
def test_any_record_is_shown_as_a_line_and_as_json(
    topic: str, timestamp: int, value: bytes | None, headers: Headers
) -> None:
    record = raw(topic, timestamp, value, headers)
    event = event_of(record)
    assert topic in visible(event_line(event))
    json.dumps({"data": event.data, **event.attributes}, allow_nan=False, ensure_ascii=False).encode()
    assert as_record(record).problem is None


@given(timestamps, bodies, any_headers, letters)
def test_any_dead_letter_is_one_of_ours_with_numbers_that_can_be_or_it_is_none(
    timestamp: int, value: bytes | None, headers: Headers, ours: Headers
) -> None:
    letter = read_dead_letter(raw("training.requested.dlq", timestamp, value, headers + ours))
    if letter is not None:
        json.dumps(letter.as_json()).encode()
        assert letter.record.headers == tuple(headers)
        assert 0 <= letter.record.coordinates.partition < 2**31
        assert requeue_headers(letter)[-1][0] == FIRST_COORDINATES


@given(any_headers, st.integers(0, 5))
def test_a_letter_that_lacks_some_of_our_headers_is_none(headers: Headers, missing: int) -> None:
    ours: Headers = [(f"laurel-{name}", b"0") for name in _OURS]
    assert read_dead_letter(raw("dlq", 0, b"", headers + ours)) is not None
    assert read_dead_letter(raw("dlq", 0, b"", headers + ours[:missing] + ours[missing + 1 :])) is None
