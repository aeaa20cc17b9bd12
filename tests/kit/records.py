"""Builds records as they come from Kafka."""

import json
from collections.abc import Mapping
from typing import Any

from domain.events import REQUEST_TYPE
from domain.record import Record
from domain.request import Coordinates

EVENT: Mapping[str, str] = {
    "specversion": "1.0",
    "id": "42",
    "source": "/gateway",
    "type": REQUEST_TYPE,
}


def record(
    value: bytes | None = b"{}",
    headers: tuple[tuple[str, bytes | None], ...] = (),
    *,
    key: bytes | None = None,
    offset: int = 7,
) -> Record:
    """A record of `training.requested`, partition 0."""
    place = Coordinates(
        topic="training.requested", partition=0, offset=offset, timestamp_ms=1_700_000_000_000
    )
    return Record(coordinates=place, key=key, value=value, headers=headers)


def binary(payload: object = None, **attributes: str | None) -> Record:
    """A CloudEvent in binary mode; an attribute that is None is left out."""
    merged = {**EVENT, **attributes}
    headers = tuple((f"ce_{name}", text.encode()) for name, text in merged.items() if text is not None)
    return record(json.dumps({} if payload is None else payload).encode(), headers)


def structured(data: object = None, **attributes: Any) -> Record:
    """A CloudEvent in structured mode."""
    event = {**EVENT, "data": {} if data is None else data, **attributes}
    content_type = b"application/cloudevents+json; charset=UTF-8"
    return record(json.dumps(event).encode(), (("content-type", content_type),))
