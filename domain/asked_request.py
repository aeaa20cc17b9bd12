"""A training request as a door took it in: who asked for what, and whether Kafka has it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from domain.announcement import Announcement
from domain.events import REQUEST_TOPIC, REQUEST_TYPE
from domain.run import Run
from domain.values import Value

DOORS_SOURCE: Final = "/laurel/api"  # the CloudEvents source of whatever came in over HTTP


class Ask(Value):
    """What a caller asks a door for; `door` is `api` or `dag`, `asked_by` the name of the credential."""

    request_id: str
    payload: Mapping[str, Any]
    door: str
    asked_by: str

    @property
    def identity(self) -> str:
        """The identity of the run that it becomes."""
        return identity_of(self.request_id)


class Claim(Value):
    """What the run store knows of an ask: the first one's payload, and what became of it.

    `unclear_at`: when its caller was last told that nothing is known of it.
    """

    payload: Mapping[str, Any]
    asked_at: datetime
    acknowledged: bool
    unclear_at: datetime | None


class AskedRequest(BaseModel):
    """A request as people look at it, by whichever door it came.

    `run` is None until a worker has read it. One that came by Kafka itself has the run's id as its own.
    """

    model_config = ConfigDict(frozen=True)

    request_id: str
    payload: Mapping[str, Any]
    door: str
    asked_by: str | None
    asked_at: datetime
    run: Run | None


def identity_of(request_id: str) -> str:
    """The identity of the run that a request of a door becomes."""
    return f"event:{DOORS_SOURCE} {request_id}"


def request_record(
    event_id: str,
    body: str,
    *,
    model_name: str,
    source: str,
    at: datetime,
    correlation_id: str | None = None,
) -> Announcement:
    """Write a training request down in CloudEvents' binary mode; `body` is a JSON object."""
    attributes = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": REQUEST_TYPE,
        "time": at.isoformat(),
        "correlationid": correlation_id or event_id,
    }
    headers = {f"ce_{name}": text for name, text in attributes.items()}
    return Announcement(
        event_id=event_id,
        topic=REQUEST_TOPIC,
        key=model_name,
        headers=headers | {"content-type": "application/json"},
        body=body,
    )
