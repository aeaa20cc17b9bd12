"""What the inbox lets through, PostgreSQL stores: as it came, and known when it comes again."""

import json

import pytest

from domain.ports.run_store import Added
from domain.request import ReceivedRequest
from handlers.training_requested import read_request
from service.adapters.postgres.database import open_database
from service.adapters.postgres.run_store import PostgresRunStore
from tests.kit.records import record

STRANGE = {
    "NUL": '{"split_version": "3\\u0000", "a\\u0000": [{"b": "\\u0000"}]}',
    "half a surrogate pair": '{"reason": "\\ud800 and \\udfff"}',
    "a large integer": '{"split_version": ' + "9" * 308 + "}",
    "numbers at the edge": '{"a": 1.7976931348623157e308, "b": 5e-324, "c": -0.0, "d": 0.1, "e": 1e2}',
    "deep": '{"a": ' + "[" * 31 + "]" * 31 + "}",
    "quotes and escapes": '{"reason": "\\"\\\\\\n\\t\\u2028 %s :name $1", "\'; drop table runs; --": null}',
    "other scripts": '{"reason": "\u202e\u0663\U0001f600"}',
    "large": '{"reason": "' + "\u00e9" * 100_000 + '"}',
    "many keys": json.dumps({f"k{number}": number for number in range(5000)}),
    "empty": "{}",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())
async def test_a_strange_payload_is_stored_once_and_known_when_it_comes_again(
    text: str, database_url: str
) -> None:
    async with open_database(database_url, application="tests") as database:
        store = PostgresRunStore(database)
        first, again = read(text), read(text)
        assert [await store.add(first), await store.add(again)] == [Added.NEW, Added.KNOWN]
        (run,) = await store.recent("price", 10)
        assert dict(run.payload) == dict(first.payload)


def read(text: str) -> ReceivedRequest:
    request = read_request(record(text.encode()), model_name="price", max_bytes=1 << 20)
    assert isinstance(request, ReceivedRequest)
    return request
