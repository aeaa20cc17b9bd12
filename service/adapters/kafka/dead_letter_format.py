"""How a dead letter is written: the record as it was, and after its own headers ours."""

import re
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRecord
from pydantic import NonNegativeInt, ValidationError

from domain.record import Record, Unreadable
from domain.request import Coordinates
from domain.strict_json import object_in
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


# Before these, in a letter that stands for several records.
_EXTENT: Final = "laurel-records"
_CUT: Final = re.compile(r"; kept [0-9]+ of ([0-9]+) bytes without headers, sha256 of all ([0-9a-f]{64})")


class Several(Value):
    """The records of one batch that a letter stands for, from its own coordinates to the last offset."""

    records: NonNegativeInt
    last_offset: NonNegativeInt
    reasons: dict[str, NonNegativeInt]


class Why(Value):
    """Why it was set aside, in the words of the version that did so."""

    reason: str
    detail: str


@dataclass(frozen=True)
class DeadLetter:
    """A dead letter as it is read back; `place` is where it stands itself.

    One that stands for several records holds none of them: their bytes are in the topic that they came to.
    """

    place: Coordinates
    record: Record
    why: Why
    several: Several | None = None

    @property
    def digest_of_all(self) -> str | None:
        """SHA-256 of the record's value where the letter keeps only its start."""
        cut = _CUT.search(self.why.detail[-200:])
        return cut[2] if cut else None

    def as_json(self) -> dict[str, Any]:
        """For people and tools: bytes that are not text are shown with backslashes."""
        return {
            "place": str(self.place),
            "reason": self.why.reason,
            "detail": self.why.detail,
            "original": self.record.coordinates.model_dump(),
            "key": _shown(self.record.key),
            "headers": [[name, _shown(value)] for name, value in self.record.headers],
            "value": _shown(self.record.value),
            "bytes": None if self.record.value is None else len(self.record.value),
            "several": self.several.model_dump() if self.several else None,
            "requeue": self.requeue,
        }

    @property
    def requeue(self) -> str:
        """What `laurel dead-letters requeue` can do with it, in a sentence."""
        origin = self.record.coordinates
        if self.several is not None:
            return (
                f"cannot be requeued: it stands for {self.several.records} records, which are in "
                f"{origin.topic}, partition {origin.partition}, offsets {origin.offset} to "
                f"{self.several.last_offset}; correct their sender and send them again"
            )
        if self.digest_of_all is not None:
            return f"can be requeued while {origin} is still there: the letter keeps only its start"
        return "can be requeued unchanged"


def dead_letter_headers(record: Record, why: Unreadable) -> Headers:
    """The record's headers and ours."""
    place = record.coordinates
    texts = (why.reason, why.detail, place.topic, place.partition, place.offset, place.timestamp_ms)
    ours = ((name, str(text).encode()) for name, text in zip(_OURS, texts, strict=True))
    return [*record.headers, *_extent_header(record, why), *ours]


def _extent_header(record: Record, why: Unreadable) -> Headers:
    """It is there, empty, after a header of that name which is the record's own."""
    own = record.headers[-1:] and record.headers[-1][0] == _EXTENT
    if why.extent is None:
        return [(_EXTENT, b"")] if own else []
    return [(_EXTENT, why.extent.model_dump_json().encode())]


def read_dead_letter(raw: ConsumerRecord) -> DeadLetter | None:
    """Read it back; None for a record in that topic that is not a dead letter of Laurel."""
    headers = tuple(raw.headers)
    ours = headers[-len(_OURS) :]
    if tuple(name for name, _ in ours) != _OURS:
        return None
    reason, detail, *where = [as_text(value) for _, value in ours]
    original = coordinates_in(*where)
    if original is None:
        return None
    headers, several = _without_extent(headers[: -len(_OURS)])
    return DeadLetter(
        place=place_of(raw),
        record=Record(coordinates=original, key=raw.key, value=raw.value, headers=headers),
        why=Why(reason=reason, detail=detail),
        several=several,
    )


def _without_extent(headers: Any) -> tuple[Any, Several | None]:
    """Anything but an extent is a header of the record: an earlier version wrote none."""
    if not headers or headers[-1][0] != _EXTENT:
        return headers, None
    text = headers[-1][1] or b""
    try:
        return headers[:-1], Several.model_validate(object_in(text)) if text else None
    except ValidationError:
        return headers, None


def requeue_headers(letter: DeadLetter) -> Headers:
    """The original headers, and what keeps the identity of a request that has none but its first place."""
    headers = list(without_marks(letter.record.headers))
    if FIRST_COORDINATES not in {name for name, _ in headers}:
        headers.append((FIRST_COORDINATES, str(letter.record.coordinates).encode()))
    return headers


def _shown(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
