"""One record as it came from Kafka, and why it may be unreadable."""

from collections.abc import Mapping
from typing import Literal

from domain.request import Coordinates
from domain.values import Value

# Dashboards count by it, so nobody outside can add to it.
UnreadableReason = Literal[
    "empty",
    "too_large",
    "bad_envelope",
    "not_utf8",
    "not_json",
    "not_an_object",
    "duplicate_key",
    "not_finite",
    "too_deep",
    "unsupported_compression",
    "id_conflict",
    "not_storable",
    "bad_event",
]


class Extent(Value):
    """Records that share one letter: how many, up to which offset, and how many for each reason."""

    records: int
    last_offset: int
    reasons: Mapping[UnreadableReason, int]


class Unreadable(Value):
    """Why a record cannot be read or taken: a code from a closed vocabulary, and a sentence.

    With an `extent` it says so of several, of which the record is the first.
    """

    reason: UnreadableReason
    detail: str
    extent: Extent | None = None


class Record(Value):
    """Bytes as they came; `value` and a header's value are None where the record says null.

    `problem` is set by the consumer where it could not hand the record's own bytes on.
    """

    coordinates: Coordinates
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    problem: Unreadable | None = None
