"""Headers that every answer carries."""

from collections.abc import Mapping, Sequence
from typing import Final

_HEADERS: Final[Mapping[bytes, bytes]] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


def with_safe_headers(given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add to an answer's headers those that it does not set itself."""
    said = {name for name, _ in given}
    return [*given, *(pair for pair in _HEADERS.items() if pair[0] not in said)]
