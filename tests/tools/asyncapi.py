"""Writes `docs/asyncapi.yaml`, the AsyncAPI 3.0 document of Laurel's topics, from the code.

Run it with `python -m tests.tools.asyncapi`; a test fails when the file and the code differ.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from config.topics import TOPICS, requests_group
from domain.events import DEAD_LETTER_TOPIC, OUTGOING, REQUEST_TOPIC
from tests.tools.asyncapi_messages import (
    BINDING,
    PLAIN,
    STRUCTURED,
    Part,
    header_schemas,
    messages,
    summary,
)

FILE: Final = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
_HEAD: Final = "# Generated from the code: python -m tests.tools.asyncapi\n"
_ABOUT: Final = (
    "What Laurel reads and publishes on Kafka, seen from Laurel: it receives requests and sends their"
    " outcomes. Every type carries its own version; a breaking change is a new type beside the old one."
    " Payloads are described by the JSON Schemas (draft 2020-12) in `events/`, and explained in `events.md`."
)
_SUMMARIES: Final[Mapping[str, str]] = {
    REQUEST_TOPIC: "A training request, in any of three forms.",
    DEAD_LETTER_TOPIC: "Records that could not be read.",
    **{event.topic: summary(event) for event in OUTGOING},
}


def document() -> Part:
    """The whole document."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Laurel",
            "version": "1.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": _server()},
        "channels": {topic: _channel(topic) for topic in TOPICS},
        "operations": {_operation_id(topic): _operation(topic) for topic in TOPICS},
        "components": {"messages": messages(), "schemas": header_schemas()},
    }


def rendered(content: Part) -> str:
    """The file, as text."""
    text = yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD + text


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice, instead of an anchor and an alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base class names it
        return True


def _server() -> Part:
    return {
        "host": "{host}:{port}",
        "protocol": "kafka",
        "description": "Your brokers: what `KAFKA_BOOTSTRAP_SERVERS` names.",
        "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "9092"}},
    }


def _channel(topic: str) -> Part:
    made_with = {name: int(value) if value.isdigit() else value for name, value in TOPICS[topic].items()}
    return {
        "address": topic,
        "summary": _SUMMARIES[topic],
        "messages": {name: _ref("components/messages", name) for name in _messages_of(topic)},
        "bindings": {"kafka": {"topicConfiguration": made_with, "bindingVersion": BINDING}},
    }


def _operation(topic: str) -> Part:
    asked = topic == REQUEST_TOPIC
    return {
        "action": "receive" if asked else "send",
        "channel": _ref("channels", topic),
        "summary": _SUMMARIES[topic],
        "messages": [_ref(f"channels/{topic}/messages", name) for name in _messages_of(topic)],
    } | ({"bindings": {"kafka": _consumer()}} if asked else {})


def _operation_id(topic: str) -> str:
    verb = "receive" if topic == REQUEST_TOPIC else "send"
    return verb + "".join(word.title() for word in topic.split("."))


def _consumer() -> Part:
    group = {"type": "string", "description": f"`{requests_group('<model name>')}`"}
    return {"groupId": group, "bindingVersion": BINDING}


def _messages_of(topic: str) -> Iterable[str]:
    return (REQUEST_TOPIC, PLAIN, STRUCTURED) if topic == REQUEST_TOPIC else (topic,)


def _ref(folder: str, name: str) -> Part:
    return {"$ref": f"#/{folder}/{name}"}


def main() -> None:
    """Write the file."""
    FILE.write_text(rendered(document()), encoding="utf-8")


if __name__ == "__main__":
    main()
