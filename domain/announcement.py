"""An event made ready for the wire: once written down, its bytes never change."""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from domain.events import Event
from domain.values import Value

_NAMESPACE: Final = uuid.UUID("3b7c9a52-6f0e-5c43-9d0b-1f6f2f9f6a11")  # ours, made once, never to change


class Announcement(Value):
    """One record for Kafka: CloudEvents attributes as headers (`ce_…`), JSON as body, the model as key."""

    event_id: str
    topic: str
    key: str
    headers: Mapping[str, str]
    body: str


def run_event_id(run_id: str, transition: str) -> str:
    """Derive the id of the event that a run's transition causes, e.g. `EVALUATED-PROMOTED`."""
    return str(uuid.uuid5(_NAMESPACE, f"run/{run_id}/{transition}"))


def generation_event_id(model_name: str, generation: int) -> str:
    """Derive the id of the event that announces a generation which no run brought about."""
    return str(uuid.uuid5(_NAMESPACE, f"generation/{model_name}/{generation}"))


def replica_event_id(model_name: str, generation: int, replica: str, outcome: str) -> str:
    """Derive the id of what is said of one replica and one generation, once for each outcome."""
    return str(uuid.uuid5(_NAMESPACE, f"replica/{model_name}/{generation}/{outcome}/{replica}"))


def announce(
    event: Event, *, event_id: str, at: datetime, correlation_id: str, causation_id: str | None
) -> Announcement:
    """Write an event down in CloudEvents' binary mode (Kafka protocol binding 1.0.2)."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": f"/laurel/{event.model_name}",
        "type": event.wire_type,
        "subject": event.model_name,
        "time": at.isoformat(),
        "correlationid": correlation_id,
        **({"causationid": causation_id} if causation_id else {}),
    }
    headers = {f"ce_{name}": value for name, value in attributes.items()} | {
        "content-type": "application/json"
    }
    body = json.dumps(event.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    return Announcement(
        event_id=event_id, topic=event.topic, key=event.model_name, headers=headers, body=body
    )
