"""An event of which people are told: read, worded, and handed to the channels."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from pydantic import ValidationError

from domain.events import (
    Event,
    InferenceDiverged,
    ModelDeclined,
    ModelPromoted,
    TrainingFailed,
    TrainingRejected,
)
from domain.notice_fields import Subject
from domain.notices import Notice, Wording
from domain.record import Record, Unreadable
from handlers.envelope import Opened, Refused, open_record
from handlers.handled import Handled, unreadable
from handlers.strict_json import DEEPEST_EVENT

TOLD: Final[Mapping[str, type[Event]]] = {
    event.topic: event
    for event in (ModelPromoted, ModelDeclined, TrainingRejected, TrainingFailed, InferenceDiverged)
}
TOPICS: Final[Mapping[Subject, str]] = {
    "promoted": ModelPromoted.topic,
    "overridden": ModelPromoted.topic,
    "declined": ModelDeclined.topic,
    "rejected": TrainingRejected.topic,
    "failed": TrainingFailed.topic,
    "diverged": InferenceDiverged.topic,
}

Tell = Callable[[Notice], Awaitable[None]]


async def on_notice(
    record: Record,
    *,
    tell: Tell,
    wording: Wording,
    subjects: Collection[Subject],
    model_name: str,
    max_bytes: int,
) -> Handled:
    """Tell of it, unless it is another model's, or nobody is to be told, or it cannot be read.

    Raises what `tell` raises: the record then comes again, and whoever has heard of it hears nothing twice.
    """
    read = _read(record, max_bytes)
    if isinstance(read, Unreadable):
        return unreadable(read)
    event, event_id = read
    if event.model_name != model_name:
        return Handled(outcome="skipped", facts={"model_name": event.model_name[:200]})
    notice = wording.notice(event, event_id)
    if notice is None or notice.subject not in subjects:
        return Handled(outcome="skipped", facts={"event_id": event_id, "why": "nobody is to be told"})
    await tell(notice)
    return Handled(outcome="told", facts={"event_id": event_id, "subject": notice.subject})


def _read(record: Record, max_bytes: int) -> tuple[Event, str] | Unreadable:
    kind = TOLD[record.coordinates.topic]
    try:
        opened = open_record(record, wire_type=kind.wire_type, max_bytes=max_bytes, deepest=DEEPEST_EVENT)
        return kind.model_validate(opened.payload), _event_id(opened, record)
    except Refused as refused:
        return refused.why
    except ValidationError as error:
        fields = sorted({".".join(map(str, found["loc"])) for found in error.errors()})
        detail = f"not as {kind.wire_type} says: {', '.join(fields)}"
        return Unreadable(reason="bad_event", detail=detail[:500])


def _event_id(opened: Opened, record: Record) -> str:
    """The event's own id; a record without one is told from others by where it stands."""
    return opened.attributes.get("id") or str(record.coordinates)
