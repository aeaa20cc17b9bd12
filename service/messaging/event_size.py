"""How large an announcement is on the wire: what Kafka would refuse may not enter the outbox."""

from typing import Final

from domain.announcement import Announcement
from domain.errors import NeverRetry
from domain.wording import byte_count

# A batch's header (61 bytes) and the most that a record's lengths and deltas take, for itself and per header.
_BATCH: Final = 61
_RECORD: Final = 36
_HEADER: Final = 10


def size_on_wire(announcement: Announcement) -> int:
    """Bytes that Kafka counts against a topic's `max.message.bytes`, rounded up."""
    headers = sum(
        _HEADER + len(name.encode()) + len(text.encode()) for name, text in announcement.headers.items()
    )
    content = len(announcement.key.encode()) + len(announcement.body.encode())
    return _BATCH + _RECORD + headers + content


def refuse_too_large(announcement: Announcement, max_event_bytes: int) -> None:
    """Raise NeverRetry `event_too_large` for what could never be sent: it would hold up all that follows."""
    size = size_on_wire(announcement)
    if size > max_event_bytes:
        raise NeverRetry(
            "event_too_large",
            f"the event for {announcement.topic} has {byte_count(size)}; its topic takes at most "
            f"{byte_count(max_event_bytes)}",
            bytes=size,
            allowed=max_event_bytes,
            topic=announcement.topic,
        )
