"""One record as it came from Kafka, and why it may be unreadable."""

from domain.request import Coordinates
from domain.values import Value


class Record(Value):
    """Bytes as they came; `value` and a header's value are None where the record says null."""

    coordinates: Coordinates
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class Unreadable(Value):
    """Why a record is set aside: a code from a closed vocabulary, and a sentence.

    `empty`, `too_large`, `bad_envelope`, `not_utf8`, `not_json`, `not_an_object`, `duplicate_key`,
    `not_finite`, `too_deep`, `unsupported_compression`, `id_conflict`, `internal_error`; or the reason of the
    store that can never take it.
    """

    reason: str
    detail: str
