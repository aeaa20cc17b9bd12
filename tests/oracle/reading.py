"""The oracle's own reading of what is on the wire and in the store, from the written formats alone."""

import hashlib
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from tests.oracle.facts import Coordinates, Kind, Record, RunRow, Triple, World

REQUEST_TOPIC: Final = "training.requested"
DEAD_LETTER_TOPIC: Final = "training.requested.dlq"
_IDS: Final = uuid.UUID("3b7c9a52-6f0e-5c43-9d0b-1f6f2f9f6a11")
_KEYS: Final = ("feature_version", "model_version", "split_version")
_ORIGINAL: Final = tuple(f"laurel-original-{name}" for name in ("topic", "partition", "offset", "timestamp"))
_PLACE: Final = re.compile(r"(?P<topic>.+)/(?P<partition>\d+)/(?P<offset>\d+)@(?P<timestamp>\d+)")


def header(record: Record, name: str) -> str | None:
    """A header's text; header names are told apart without case."""
    for found, value in record.headers:
        if found.lower() == name and value is not None:
            return value.decode()
    return None


def event_id(record: Record) -> str | None:
    """The CloudEvents id of a record in binary mode."""
    return header(record, "ce_id")


def body(record: Record) -> Any:
    """The JSON of a record."""
    return json.loads(record.value or b"null")


def identity(record: Record) -> tuple[object, ...]:
    """Who a request is: CloudEvents source and id, else `request_id`, else the place where it stands."""
    source, ident = header(record, "ce_source"), event_id(record)
    data = body(record)
    if (
        source is None
        and ident is None
        and "application/cloudevents+json" in (header(record, "content-type") or "")
    ):
        source, ident, data = data.get("source"), data.get("id"), data.get("data") or {}
    if source is not None and ident is not None:
        return ("event", source, ident)
    if data.get("request_id") is not None:
        return ("request", data["request_id"])
    return ("place", *record.coordinates)


def valid_identities(world: World) -> dict[tuple[object, ...], set[Coordinates]]:
    """Every request that must have an end, with all the places where it stands."""
    found: dict[tuple[object, ...], set[Coordinates]] = {}
    for sent in world.sent:
        if sent.kind is Kind.VALID:
            found.setdefault(identity(sent.record), set()).add(sent.record.coordinates)
    return found


def place_of(row: RunRow) -> Coordinates | None:
    """The record that a row was made from."""
    match = _PLACE.fullmatch(row.coordinates or "")
    if match is None:
        return None
    return Coordinates(match["topic"], *(int(match[name]) for name in ("partition", "offset", "timestamp")))


def dead_letters(records: Iterable[Record]) -> Iterator[tuple[Coordinates | None, Record]]:
    """Every dead letter with the place of the record that it is about."""
    for record in records:
        if record.topic == DEAD_LETTER_TOPIC:
            yield dead_place(record), record


def dead_place(record: Record) -> Coordinates | None:
    """Where the record stood that a dead letter is about: the last headers say it, whatever came before."""
    told = {name: (value or b"").decode() for name, value in record.headers if name in _ORIGINAL}
    if told.keys() != set(_ORIGINAL):
        return None
    topic, *numbers = (told[name] for name in _ORIGINAL)
    return Coordinates(topic, *map(int, numbers))


def events(records: Iterable[Record]) -> list[Record]:
    """What Laurel announced: everything but requests and dead letters."""
    return [record for record in records if record.topic not in {REQUEST_TOPIC, DEAD_LETTER_TOPIC}]


def run_event_id(run_id: str, from_state: str, to_state: str) -> str:
    """The id that the event of a run's transition must have."""
    return str(uuid.uuid5(_IDS, f"run/{run_id}/{from_state}-{to_state}"))


def generation_event_id(model_name: str, generation: int) -> str:
    """The id that the event of a generation without a run must have."""
    return str(uuid.uuid5(_IDS, f"generation/{model_name}/{generation}"))


def loss_event_id(model_name: str, generation: int, number: int) -> str:
    """The id that the event of a lost version must have."""
    return str(uuid.uuid5(_IDS, f"loss/{model_name}/{generation}/{number}"))


def replica_event_id(model_name: str, generation: int, replica: str, topic: str) -> str:
    """The id that the event of one replica and one generation must have."""
    return str(uuid.uuid5(_IDS, f"replica/{model_name}/{generation}/{topic}/{replica}"))


def hold_event_id(model_name: str, hold_id: str, outcome: str) -> str:
    """The id that the event of one hold must have."""
    return str(uuid.uuid5(_IDS, f"hold/{model_name}/{outcome}/{hold_id}"))


def quarantine_event_id(model_name: str, generation: int, by_generation: int, outcome: str) -> str:
    """The id that the event of one quarantine must have."""
    return str(uuid.uuid5(_IDS, f"quarantine/{model_name}/{outcome}/{generation}/{by_generation}"))


def sha256(data: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def canonical(content: Any) -> str:
    """JSON with sorted keys, no spaces, nothing escaped that need not be."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def triple_of(values: Mapping[str, Any] | None) -> Triple | None:
    """Three versions as numbers; None when there are none."""
    return None if values is None else tuple_of(*(int(values[key]) for key in _KEYS))


def tuple_of(feature: int, model: int, split: int) -> Triple:
    """The order that this package keeps: feature, model, split."""
    return feature, model, split
