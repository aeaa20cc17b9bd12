"""How a dead letter is written: the record as it was, and after its own headers ours."""

from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

from domain.record import Record, Unreadable
from domain.request import Coordinates
from domain.values import Value
from handlers.envelope import FIRST_COORDINATES
from service.adapters.kafka.foreign import as_text, coordinates_in, place_of, without_marks

Headers = list[tuple[str, bytes | None]]

# In this order, after all original headers: so a record's own header of the same name is no confusion.
_OURS = (
    "laurel-reason",
    "laurel-detail",
    "laurel-original-topic",
    "laurel-original-partition",
    "laurel-original-offset",
    "laurel-original-timestamp",
)


class Why(Value):
    """Why it was set aside, in the words of the version that did so."""

    reason: str
    detail: str


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it is read back; `place` is where it stands itself."""

    place: Coordinates
    record: Record
    why: Why

    def as_json(self) -> dict[str, Any]:
        """For people and tools: bytes that are no text are shown with backslashes."""
        return {
            "place": str(self.place),
            "reason": self.why.reason,
            "detail": self.why.detail,
            "original": self.record.coordinates.model_dump(),
            "key": _shown(self.record.key),
            "headers": [[name, _shown(value)] for name, value in self.record.headers],
            "value": _shown(self.record.value),
            "bytes": None if self.record.value is None else len(self.record.value),
        }


def dead_letter_headers(record: Record, why: Unreadable) -> Headers:
    """The record's headers and ours."""
    place = record.coordinates
    texts = (why.reason, why.detail, place.topic, place.partition, place.offset, place.timestamp_ms)
    return [*record.headers, *((name, str(text).encode()) for name, text in zip(_OURS, texts, strict=True))]


def read_dead_letter(raw: ConsumerRecord) -> DeadLetter | None:
    """Read it back; None for a record in that topic which is no dead letter of ours."""
    headers = tuple(raw.headers)
    ours = headers[-len(_OURS) :]
    if tuple(name for name, _ in ours) != _OURS:
        return None
    reason, detail, *where = [as_text(value) for _, value in ours]
    original = coordinates_in(*where)
    if original is None:
        return None
    return DeadLetter(
        place=place_of(raw),
        record=Record(coordinates=original, key=raw.key, value=raw.value, headers=headers[: -len(_OURS)]),
        why=Why(reason=reason, detail=detail),
    )


def requeue_headers(letter: DeadLetter) -> Headers:
    """The original headers, and what keeps the identity of a request that has none but its first place."""
    headers = list(without_marks(letter.record.headers))
    if FIRST_COORDINATES not in {name for name, _ in headers}:
        headers.append((FIRST_COORDINATES, str(letter.record.coordinates).encode()))
    return headers


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
