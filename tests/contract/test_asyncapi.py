"""`docs/asyncapi.yaml` is what the code says, holds together, and what its examples show is true."""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped] # its stubs are a package more
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from config.topics import TOPICS
from domain.events import DEAD_LETTER_TOPIC, OUTGOING, REQUEST_TOPIC, Event
from domain.record import Record, Unreadable
from domain.request import Coordinates, ReceivedRequest
from handlers.training_requested import AnotherModels, read_request
from tests.tools.asyncapi import FILE, document, rendered
from tests.tools.asyncapi_messages import PLAIN, STRUCTURED
from tests.tools.event_schemas import FOLDER, schemas

DOCUMENT = document()
MESSAGES: Mapping[str, dict[str, Any]] = DOCUMENT["components"]["messages"]
REQUESTS = (REQUEST_TOPIC, PLAIN, STRUCTURED)
ADDRESS = "http://127.0.0.1/docs/asyncapi.yaml"

# What AsyncAPI 3.0.0 knows, of the objects that we write.
KNOWN = {
    "channels": {"address", "title", "summary", "description", "messages", "bindings"},
    "operations": {"action", "channel", "title", "summary", "description", "messages", "bindings"},
    "messages": {
        *("name", "title", "summary", "description", "contentType", "correlationId"),
        *("headers", "payload", "bindings", "examples"),
    },
}


def references(part: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def registry() -> Registry[Any]:
    """The document and the schema files beside it."""
    files = [
        (urljoin(ADDRESS, f"events/{name}"), Resource.from_contents(schema))
        for name, schema in schemas().items()
    ]
    whole = Resource.from_contents(DOCUMENT, default_specification=DRAFT7)
    empty: Registry[Any] = Registry()
    return empty.with_resources([(ADDRESS, whole), *files])


def validator(message: str, part: str) -> Any:
    """A validator of a message's `headers` or `payload`."""
    pointer = f"{ADDRESS}#/components/messages/{message}/{part}"
    return Draft7Validator({"$ref": pointer}, registry=registry())


def read(headers: Mapping[str, str], payload: Any) -> ReceivedRequest | AnotherModels | Unreadable:
    """What Laurel reads in a record that another house's producer made."""
    record = Record(
        coordinates=Coordinates(topic=REQUEST_TOPIC, partition=0, offset=0, timestamp_ms=0),
        key=None,
        value=json.dumps(payload).encode(),
        headers=tuple((name, text.encode()) for name, text in headers.items()),
    )
    return read_request(record, model_name="price", max_bytes=1 << 18)


def without(headers: Mapping[str, str], name: str) -> dict[str, str]:
    return {other: text for other, text in headers.items() if other != name}


def test_the_file_is_exactly_what_the_code_says() -> None:
    """After a change on purpose: `python -m tests.tools.asyncapi`."""
    assert FILE.read_text(encoding="utf-8") == rendered(DOCUMENT)


def test_every_reference_leads_somewhere() -> None:
    resolver = registry().resolver(ADDRESS)
    found = set(references(DOCUMENT))
    assert {resolver.lookup(one).contents is not None for one in found} == {True}
    outside = {one for one in found if not one.startswith("#")}
    assert outside == {f"./events/{path.name}" for path in FOLDER.iterdir()}


def test_every_topic_is_a_channel_and_has_one_operation_for_all_of_its_messages() -> None:
    channels = DOCUMENT["channels"]
    assert {channel["address"] for channel in channels.values()} == set(channels) == set(TOPICS)
    used = {operation["channel"]["$ref"]: operation for operation in DOCUMENT["operations"].values()}
    assert len(used) == len(DOCUMENT["operations"])
    assert set(used) == {f"#/channels/{name}" for name in channels}
    for name, channel in channels.items():
        in_operation = [one["$ref"] for one in used[f"#/channels/{name}"]["messages"]]
        assert in_operation == [f"#/channels/{name}/messages/{message}" for message in channel["messages"]]


def test_laurel_receives_requests_and_sends_all_else() -> None:
    received = {
        operation["channel"]["$ref"]
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == "receive"
    }
    assert received == {f"#/channels/{REQUEST_TOPIC}"}


def test_every_event_is_a_message_of_its_type_with_its_schema() -> None:
    for event in OUTGOING:
        message = MESSAGES[event.topic]
        assert message["name"] == event.wire_type
        assert message["payload"] == {"$ref": f"./events/{event.topic}.json"}
        assert list(DOCUMENT["channels"][event.topic]["messages"]) == [event.topic]
    assert set(MESSAGES) == {event.topic for event in OUTGOING} | {*REQUESTS, DEAD_LETTER_TOPIC}


def test_nothing_is_written_that_the_specification_does_not_know() -> None:
    parts = DOCUMENT | DOCUMENT["components"]
    for kind, known in KNOWN.items():
        for name, part in parts[kind].items():
            assert set(part) <= known, (kind, name)


@pytest.mark.parametrize("name", MESSAGES)
def test_an_example_is_what_its_message_says(name: str) -> None:
    (example,) = MESSAGES[name]["examples"]
    validator(name, "payload").validate(example["payload"])
    if name == PLAIN:
        assert "headers" not in example
    else:
        validator(name, "headers").validate(example["headers"])


@pytest.mark.parametrize("event", OUTGOING, ids=lambda event: str(event.topic))
def test_an_event_carries_the_headers_that_are_described_and_only_a_first_one_has_no_cause(
    event: type[Event],
) -> None:
    headers = MESSAGES[event.topic]["examples"][0]["headers"]
    assert set(headers) == set(DOCUMENT["components"]["schemas"]["eventHeaders"]["properties"])
    check = validator(event.topic, "headers")
    dispensable = [name for name in headers if check.is_valid(without(headers, name))]
    assert dispensable == ["ce_causationid"]


@pytest.mark.parametrize("name", REQUESTS)
def test_laurel_reads_the_examples_of_requests(name: str) -> None:
    (example,) = MESSAGES[name]["examples"]
    found = read(example.get("headers", {}), example["payload"])
    assert isinstance(found, ReceivedRequest)
    assert found.payload == example["payload"].get("data", example["payload"])
    assert found.identity == ("request:order-7" if name == PLAIN else "event:/shop/retraining order-7")


@pytest.mark.parametrize(
    "changed",
    [
        {"ce_id": None},
        {"ce_id": ""},
        {"ce_id": "x" * 256},
        {"ce_id": "x" * 257},
        {"ce_source": None},
        {"ce_source": "a b"},
        {"ce_type": None},
        {"ce_type": "laurel.training.requested.v2"},
        {"ce_specversion": None},
        {"ce_specversion": "0.3"},
        {"ce_correlationid": None},
        {"ce_correlationid": "x" * 201},
        {"ce_causationid": "x" * 257},
        {"content-type": None},
        {"traceparent": "00-0-0-00"},
    ],
    ids=str,
)
def test_the_headers_of_a_request_are_described_as_laurel_takes_them(changed: dict[str, str | None]) -> None:
    (example,) = MESSAGES[REQUEST_TOPIC]["examples"]
    headers = {name: text for name, text in (example["headers"] | changed).items() if text is not None}
    accepted = isinstance(read(headers, example["payload"]), ReceivedRequest)
    assert validator(REQUEST_TOPIC, "headers").is_valid(headers) == accepted
