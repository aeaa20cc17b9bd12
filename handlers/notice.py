"""An event that people are notified of: read, worded, and handed to the channels."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final

from pydantic import ValidationError

from domain.events import (
    NOTICED,
    ChampionMissing,
    Event,
    InferenceDiverged,
    ModelDeclined,
    ModelPromoted,
    ModelQuarantined,
    ModelQuarantineLifted,
    PromotionHeld,
    PromotionReleased,
    TrainingFailed,
    TrainingRejected,
)
from domain.notice_subjects import Subject
from domain.notices import Notice, Wording
from domain.record import Record, Unreadable
from domain.strict_json import DEEPEST_EVENT
from handlers.envelope import EnvelopeRefused, Opened, open_record
from handlers.handled import Handled, unreadable

TOLD: Final[Mapping[str, type[Event]]] = {event.topic: event for event in NOTICED}
TOPICS: Final[Mapping[Subject, str]] = {
    "promoted": ModelPromoted.topic,
    "overridden": ModelPromoted.topic,
    "declined": ModelDeclined.topic,
    "rejected": TrainingRejected.topic,
    "failed": TrainingFailed.topic,
    "diverged": InferenceDiverged.topic,
    "missing": ChampionMissing.topic,
    "held": PromotionHeld.topic,
    "released": PromotionReleased.topic,
    "quarantined": ModelQuarantined.topic,
    "quarantine_lifted": ModelQuarantineLifted.topic,
}

Tell = Callable[[Notice], Awaitable[None]]
Further = Callable[[Event, str], Awaitable[Notice | None]]


async def nothing_further(event: Event, event_id: str) -> None:
    """One message says it all."""
    del event, event_id


async def on_notice(
    record: Record,
    *,
    tell: Tell,
    wording: Wording,
    subjects: Collection[Subject],
    model_name: str,
    max_bytes: int,
    further: Further = nothing_further,
) -> Handled:
    """Tell of it, unless it is another model's, or not to be sent, or unreadable.

    `further` makes the second message of an event that has one.

    Raises what `tell` raises: the record then comes again, and nobody hears anything twice.
    """
    read = _read(record, max_bytes)
    if isinstance(read, Unreadable):
        return unreadable(read)
    event, event_id = read
    if event.model_name != model_name:
        return Handled(outcome="skipped", facts={"model_name": event.model_name[:200]})
    notice = wording.notice(event, event_id)
    if notice is None or notice.subject not in subjects:
        return Handled(outcome="skipped", facts={"event_id": event_id, "why": "nobody is notified of it"})
    await tell(notice)
    if (more := await further(event, event_id)) is not None:
        await tell(more)
    return Handled(outcome="told", facts={"event_id": event_id, "subject": notice.subject})


def _read(record: Record, max_bytes: int) -> tuple[Event, str] | Unreadable:
    kind = TOLD[record.coordinates.topic]
    try:
        opened = open_record(record, wire_type=kind.wire_type, max_bytes=max_bytes, deepest=DEEPEST_EVENT)
        return kind.model_validate(opened.payload), _event_id(opened, record)
    except EnvelopeRefused as refused:
        return refused.why
    except ValidationError as error:
        fields = sorted({".".join(map(str, found["loc"])) for found in error.errors()})
        detail = f"not as {kind.wire_type} says: {', '.join(fields)}"
        return Unreadable(reason="bad_event", detail=detail[:500])


def _event_id(opened: Opened, record: Record) -> str:
    """The event's own id; a record without one is identified by its place."""
    return opened.attributes.get("id") or str(record.coordinates)
