"""What others may have written: read without a fault of theirs becoming one of ours."""

import re
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import ConsumerRecord

from domain.record import Record
from domain.request import Coordinates
from domain.strict_json import DEEPEST_EVENT, NotStrictJson, parse_object
from service.adapters.kafka.fetch_guard import is_mark, problem_of

# How an earlier version marked a record: on the wire, where anybody could.
_OLD_MARK: Final = "laurel-fetch-problem"
_TOPIC: Final = re.compile(r"[\w.-]{1,249}", re.ASCII)
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


def as_record(raw: ConsumerRecord) -> Record:
    """Say in the domain's words what the client library hands over; a mark from the wire is dropped."""
    return Record(
        coordinates=place_of(raw),
        key=raw.key,
        value=raw.value,
        headers=without_marks(raw.headers),
        problem=problem_of(raw.headers),
    )


def without_marks(headers: Any) -> tuple[tuple[str, bytes | None], ...]:
    """The headers that the sender meant."""
    return tuple((name, value) for name, value in headers if name != _OLD_MARK and not is_mark(name))


def place_of(raw: ConsumerRecord) -> Coordinates:
    """Where a record stands."""
    return Coordinates(
        topic=raw.topic, partition=raw.partition, offset=raw.offset, timestamp_ms=raw.timestamp
    )


def as_text(value: bytes | None) -> str:
    """Bytes that should be text; what is none shows as U+FFFD."""
    return (value or b"").decode("utf-8", "replace")


def coordinates_in(topic: str, partition: str, offset: str, timestamp: str) -> Coordinates | None:
    """Coordinates that somebody wrote down; None where they can be none."""
    texts = (partition, offset, timestamp)
    if not (_TOPIC.fullmatch(topic) and all(map(_NUMBER.fullmatch, texts))):
        return None
    at, where, when = map(int, texts)
    if not (0 <= at < 1 << 31 and 0 <= where < 1 << 63 and -(1 << 63) <= when < 1 << 63):
        return None
    return Coordinates(topic=topic, partition=at, offset=where, timestamp_ms=when)


def object_in(value: bytes | None) -> Mapping[str, Any] | None:
    """The JSON object that a value holds, as deep as an event of ours can be; None where it holds none."""
    try:
        return parse_object(value or b"", deepest=DEEPEST_EVENT)
    except NotStrictJson:
        return None
