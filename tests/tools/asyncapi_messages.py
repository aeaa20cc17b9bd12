"""The messages of the AsyncAPI document: headers, payloads, keys and an example of each."""

import re
from datetime import UTC, datetime
from inspect import getdoc
from typing import Any, Final

from domain.announcement import announce, run_event_id
from domain.events import DEAD_LETTER_TOPIC, OUTGOING, REQUEST_TOPIC, REQUEST_TYPE, Event
from domain.record import Record, Unreadable
from domain.request import Coordinates
from handlers.envelope import _LONGEST
from service.adapters.kafka.dead_letter_format import dead_letter_headers
from tests.tools.event_examples import EVENTS, REQUEST, RUN_ID

Part = dict[str, Any]

BINDING: Final = "0.5.0"
PLAIN: Final = f"{REQUEST_TOPIC}.plain"
STRUCTURED: Final = f"{REQUEST_TOPIC}.structured"
_JSON: Final = "application/json"
_CLOUDEVENT: Final = "application/cloudevents+json"
_MODEL_KEY: Final = "the model's name, so that the events of a model are in one partition"
_ANY_KEY: Final = "any, or none; the model's name keeps the requests for a model in one partition"
_AT: Final = datetime(2026, 11, 24, 7, 31, 19, tzinfo=UTC)
_CAUSE: Final = run_event_id(RUN_ID, "TRAINED-EVALUATED")
_ENVELOPE: Final = {
    "specversion": "1.0",
    "id": "order-7",
    "source": "/shop/retraining",
    "type": REQUEST_TYPE,
    "correlationid": "order-7",
}
_UNREADABLE: Final = Record(
    coordinates=Coordinates(topic=REQUEST_TOPIC, partition=0, offset=41, timestamp_ms=1_795_505_479_000),
    key=None,
    value=b"{feature_version: 1}",
    headers=(),
)


def messages() -> dict[str, Part]:
    """Every message by the name that channels and operations use."""
    examples = {event.topic: event for event in reversed(EVENTS)}
    asked = {REQUEST_TOPIC: _binary_request(), PLAIN: _plain_request(), STRUCTURED: _structured_request()}
    sent = {event.topic: _outgoing(event, examples[event.topic]) for event in OUTGOING}
    return asked | sent | {DEAD_LETTER_TOPIC: _dead_letter()}


def summary(event: type[Event]) -> str:
    """What an event says, as its class has it."""
    return (getdoc(event) or "").partition("\n")[0]


def header_schemas() -> dict[str, Part]:
    """The headers of an event of ours, and those of a request in binary mode."""
    return {"eventHeaders": _event_headers(), "requestHeaders": _request_headers()}


def _outgoing(event: type[Event], example: Event) -> Part:
    sent = announce(
        example,
        event_id=run_event_id(RUN_ID, event.topic),
        at=_AT,
        correlation_id="order-7",
        causation_id=_CAUSE,
    )
    return {
        "name": event.wire_type,
        "title": event.topic,
        "summary": summary(event),
        "contentType": _JSON,
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "headers": _headers_of(event.wire_type, "eventHeaders"),
        "payload": _payload(event.topic),
        "bindings": _key(_MODEL_KEY),
        "examples": [{"headers": dict(sent.headers), "payload": example.model_dump(mode="json")}],
    }


def _binary_request() -> Part:
    headers = {f"ce_{name}": text for name, text in _ENVELOPE.items()} | {"content-type": _JSON}
    return {
        "name": REQUEST_TYPE,
        "title": "A request, CloudEvents in binary mode",
        "summary": "The same source and id again, with the same payload, are the same request.",
        "contentType": _JSON,
        "correlationId": {"location": "$message.header#/ce_correlationid"},
        "headers": _headers_of(REQUEST_TYPE, "requestHeaders"),
        "payload": _payload(REQUEST_TOPIC),
        "bindings": _key(_ANY_KEY),
        "examples": [{"headers": headers, "payload": REQUEST}],
    }


def _plain_request() -> Part:
    return {
        "name": PLAIN,
        "title": "A request, plain JSON",
        "summary": "Without an envelope `request_id` identifies the request, else the record's own place.",
        "contentType": _JSON,
        "payload": _payload(REQUEST_TOPIC),
        "bindings": _key(_ANY_KEY),
        "examples": [{"payload": REQUEST | {"request_id": "order-7"}}],
    }


def _structured_request() -> Part:
    attributes = {name: _attribute(name) for name in _ENVELOPE}
    return {
        "name": STRUCTURED,
        "title": "A request, CloudEvents in structured mode",
        "summary": "The whole event is the body; `data` holds the request.",
        "contentType": _CLOUDEVENT,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "headers": {
            "type": "object",
            "required": ["content-type"],
            "properties": {"content-type": {"type": "string", "pattern": f"^{re.escape(_CLOUDEVENT)}"}},
        },
        "payload": {
            "type": "object",
            "required": ["specversion", "id", "source", "type", "data"],
            "properties": attributes | {"data": _payload(REQUEST_TOPIC)},
        },
        "bindings": _key(_ANY_KEY),
        "examples": [{"headers": {"content-type": _CLOUDEVENT}, "payload": _ENVELOPE | {"data": REQUEST}}],
    }


def _dead_letter() -> Part:
    why = Unreadable(reason="not_json", detail="line 1, column 2: a name in quotes is expected")
    headers = {name: (value or b"").decode() for name, value in dead_letter_headers(_UNREADABLE, why)}
    return {
        "name": DEAD_LETTER_TOPIC,
        "title": "A record that could not be read",
        "summary": "Key, value and headers byte for byte as they were, followed by reason and origin.",
        "contentType": "application/octet-stream",
        "headers": {
            "type": "object",
            "required": list(headers),
            "properties": {name: {"type": "string"} for name in headers},
        },
        "payload": {"description": "the value as it was: any bytes, or null"},
        "bindings": _key("the key as it was"),
        "examples": [{"headers": headers, "payload": (_UNREADABLE.value or b"").decode()}],
    }


def _event_headers() -> Part:
    properties: Part = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": {
            "description": "the event's id; a repeat has the same id, key, body and headers of Laurel's"
        },
        "ce_source": {"description": "`/laurel/<model name>`"},
        "ce_type": {"description": "the type and its version"},
        "ce_subject": {"description": "the model's name"},
        "ce_time": {
            "format": "date-time",
            "description": "when it became true, by PostgreSQL's clock; order by offset, not by this time",
        },
        "ce_correlationid": {"description": "follows a request through everything that it causes"},
        "ce_causationid": {"description": "the id of the event before; absent where there is none"},
        "content-type": {"const": _JSON},
    }
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode",
        "required": [name for name in properties if name != "ce_causationid"],
        "properties": {name: {"type": "string"} | rule for name, rule in properties.items()},
    }


def _request_headers() -> Part:
    attributes = ("specversion", *_LONGEST)
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode; other headers are ignored",
        "required": [f"ce_{name}" for name in ("specversion", "id", "source", "type")],
        "properties": {f"ce_{name}": _attribute(name) for name in attributes}
        | {"ce_time": {"type": "string", "format": "date-time"}, "content-type": {"type": "string"}},
    }


def _attribute(name: str) -> Part:
    """One attribute of a request's envelope, as `handlers.envelope` takes it."""
    fixed = {"specversion": "1.0", "type": REQUEST_TYPE}
    if name in fixed:
        return {"const": fixed[name]}
    no_space = {"pattern": "^[^ ]*$"} if name == "source" else {}
    return {"type": "string", "minLength": 1, "maxLength": _LONGEST[name]} | no_space


def _headers_of(wire_type: str, common: str) -> Part:
    return {
        "type": "object",
        "allOf": [{"$ref": f"#/components/schemas/{common}"}],
        "properties": {"ce_type": {"const": wire_type}},
    }


def _payload(topic: str) -> Part:
    return {"$ref": f"./events/{topic}.json"}


def _key(description: str) -> Part:
    return {"kafka": {"key": {"type": "string", "description": description}, "bindingVersion": BINDING}}
