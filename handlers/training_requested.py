"""A training was requested: store the request once, or set aside what cannot be read."""

import uuid
from typing import Final

from domain.asked_request import plain_identity_of
from domain.errors import NeverRetry
from domain.events import REQUEST_TYPE
from domain.points import NO_POINTS, Point, Points
from domain.ports.run_store import NOT_STORABLE, Added, RunStore
from domain.record import Record, Unreadable
from domain.request import ReceivedRequest
from domain.values import Value
from handlers.envelope import EnvelopeRefused, Opened, open_record
from handlers.handled import Handled, set_aside

_CORRELATIONS: Final = uuid.UUID("6d0c1e0a-8d0b-5c5e-9d55-0f5f0c7b4a52")  # ours, made once, never to change
_LONGEST_REQUEST_ID: Final = 200


class AnotherModels(Value):
    """The request names a model that another deployment manages."""

    model_name: str


async def on_training_requested(
    record: Record,
    *,
    store: RunStore,
    model_name: str,
    max_bytes: int,
    points: Points = NO_POINTS,
) -> Handled:
    """Store the request unless it is known; a repeat changes nothing.

    Only what is wrong with the record itself sets it aside: whatever else the store says is raised, so that
    the record waits.
    """
    read = read_request(record, model_name=model_name, max_bytes=max_bytes)
    if isinstance(read, AnotherModels):
        return Handled(outcome="skipped", facts={"model_name": read.model_name[:200]})
    if isinstance(read, Unreadable):
        return set_aside(read)
    await points.at(Point.INBOX_BEFORE_INSERT)
    try:
        added = await store.add(read)
    except NeverRetry as error:
        if error.reason != NOT_STORABLE:
            raise
        return set_aside(Unreadable(reason=NOT_STORABLE, detail=error.message))
    await points.at(Point.INBOX_AFTER_INSERT)
    if added is Added.CONFLICT:
        came_before = f"{read.identity} came before with another payload"
        return set_aside(Unreadable(reason="id_conflict", detail=came_before))
    facts = {"identity": read.identity, "correlation_id": read.correlation_id}
    return Handled(outcome="stored" if added is Added.NEW else "known", facts=facts)


def read_request(
    record: Record, *, model_name: str, max_bytes: int
) -> ReceivedRequest | AnotherModels | Unreadable:
    """Read a record as a request, without judging what it asks for."""
    try:
        opened = open_record(record, wire_type=REQUEST_TYPE, max_bytes=max_bytes)
    except EnvelopeRefused as refused:
        return refused.why
    named = opened.payload.get("model_name")
    if isinstance(named, str) and named not in {"", model_name}:
        return AnotherModels(model_name=named)
    identity = _identity(record, opened)
    return ReceivedRequest(
        identity=identity,
        model_name=model_name,
        payload=opened.payload,
        correlation_id=opened.attributes.get("correlationid") or str(uuid.uuid5(_CORRELATIONS, identity)),
        causation_id=opened.attributes.get("id") or _request_id(opened),
        coordinates=record.coordinates,
    )


def _identity(record: Record, opened: Opened) -> str:
    """CloudEvents source + id, else `request_id`, else where the record stood first.

    No source holds a space and each kind has its own first word, so no two requests share an identity by
    accident.
    """
    if opened.attributes:
        return f"event:{opened.attributes['source']} {opened.attributes['id']}"
    if request_id := _request_id(opened):
        return plain_identity_of(request_id)
    return f"record:{opened.first_coordinates or record.coordinates}"


def _request_id(opened: Opened) -> str | None:
    """The payload's `request_id` when it can serve; one that cannot is a fault of the request."""
    text = opened.payload.get("request_id")
    if isinstance(text, str) and 0 < len(text) <= _LONGEST_REQUEST_ID and text.isprintable():
        return text
    return None
