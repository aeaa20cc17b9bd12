"""Whatever comes in, reading it says what it is: never an exception, never what cannot be stored."""

import json

from hypothesis import given
from hypothesis import strategies as st

from domain.record import Unreadable
from domain.request import ReceivedRequest, read_payload
from handlers.training_requested import AnotherModels, read_request
from tests.kit.records import record

names = st.one_of(
    st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_specversion", "content-type"]), st.text()
)
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=40)), max_size=8).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.none() | st.binary(max_size=400), headers)
def test_any_bytes_and_headers_come_to_one_of_three_things(
    value: bytes | None, given_headers: tuple[tuple[str, bytes | None], ...]
) -> None:
    read = read_request(record(value, given_headers), model_name="price", max_bytes=300)
    assert isinstance(read, ReceivedRequest | AnotherModels | Unreadable)


@given(st.dictionaries(st.text(), json_values, max_size=6))
def test_any_json_object_can_be_stored_and_judged(payload: dict[str, object]) -> None:
    """PostgreSQL stores neither NUL nor lone surrogates, and no reader of an event takes NaN."""
    read = read_request(record(json.dumps(payload).encode()), model_name="price", max_bytes=1 << 20)
    if isinstance(read, ReceivedRequest):
        stored = json.dumps(read.payload, allow_nan=False, ensure_ascii=False)
        assert "\\u0000" not in stored
        stored.encode("utf-8")
        read_payload(read.payload)
        assert ReceivedRequest.model_validate_json(read.model_dump_json()) == read
