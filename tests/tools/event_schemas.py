"""Writes `docs/events/*.json`, the JSON Schema of each event, from the code.

Run it with `python -m tests.tools.event_schemas`; a test fails when the folder and the code differ.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from domain.events import OUTGOING, REQUEST_TOPIC, REQUEST_TYPE, Event
from domain.request import request_schema
from tests.tools.event_descriptions import describe
from tests.tools.event_examples import EVENTS, REQUEST

FOLDER: Final = Path(__file__).parents[2] / "docs" / "events"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, dict[str, Any]]:
    """Each file's name and content."""
    files = {f"{event.topic}.json": _outgoing(event) for event in OUTGOING}
    files[f"{REQUEST_TOPIC}.json"] = _request()
    return files


def rendered(schema: Mapping[str, Any]) -> str:
    """The bytes of a file, as text."""
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _outgoing(event: type[Event]) -> dict[str, Any]:
    """Every field is always there, and a later version may add more: readers ignore what they do not know."""
    schema = describe(event.model_json_schema(mode="serialization")) | _about(event.topic, event.wire_type)
    schema["examples"] = [one.model_dump(mode="json") for one in EVENTS if type(one) is event]
    schema["required"] = sorted(event.model_fields)
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("additionalProperties", None)
    return schema


def _request() -> dict[str, Any]:
    return request_schema() | _about(REQUEST_TOPIC, REQUEST_TYPE) | {"examples": [dict(REQUEST)]}


def _about(topic: str, wire_type: str) -> dict[str, Any]:
    return {
        "$schema": DIALECT,
        "$id": f"urn:{wire_type.replace('.', ':')}",
        "title": wire_type,
        "x-topic": topic,
        "x-envelope": "CloudEvents 1.0, binary mode: attributes in Kafka headers `ce_…`, key = model name",
    }


def main() -> None:
    """Write every file, and remove what is no event's any more."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.json"):
        old.unlink()
    for name, schema in schemas().items():
        (FOLDER / name).write_text(rendered(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
