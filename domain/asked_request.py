"""A training request as an API accepted it: who requested what, and whether Kafka has it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from pydantic import BaseModel, ConfigDict

from domain.announcement import Announcement
from domain.events import REQUEST_TOPIC, REQUEST_TYPE
from domain.faults import Fault
from domain.request import read_payload
from domain.run import Run
from domain.values import Value

GATEWAY_SOURCE: Final = "/laurel/api"  # the CloudEvents source of whatever came in over HTTP
CLI_SOURCE: Final = "/laurel/cli"  # and of what `laurel request` sent

LONGEST_ID: Final = 200
ID_PATTERN: Final = rf"^[A-Za-z0-9][A-Za-z0-9._~:+@-]{{0,{LONGEST_ID - 1}}}$"
_ID: Final = re.compile(ID_PATTERN)


class Ask(Value):
    """What a caller requests; `door` is the API, `api` or `dag`; `asked_by` the name of the credential."""

    request_id: str
    payload: Mapping[str, object]
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

    payload: Mapping[str, object]
    asked_at: datetime
    acknowledged: bool
    unclear_at: datetime | None


class AskedRequest(BaseModel):
    """A request as people see it, whichever way it came in.

    `run` is None until a worker has read it. One that came by Kafka itself has the run's id as its own.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    request_id: str
    payload: Mapping[str, object]
    door: str
    asked_by: str | None
    asked_at: datetime
    run: Run | None


def identity_of(request_id: str, source: str = GATEWAY_SOURCE) -> str:
    """The identity of the run that a request of an API becomes."""
    return f"event:{source} {request_id}"


def plain_identity_of(request_id: str) -> str:
    """The identity of the run that a record without CloudEvents attributes becomes, by its `request_id`."""
    return f"request:{request_id}"


def ask_faults(payload: Mapping[str, object], request_id: str | None, model_name: str) -> list[Fault]:
    """Name all that is wrong with what somebody asks for, at once; every door asks before it publishes."""
    read = read_payload(payload)
    faults = read if isinstance(read, list) else _of_another_model(read.model_name, model_name)
    return [*_id_faults(request_id), *faults]


def _of_another_model(asked: str | None, model_name: str) -> list[Fault]:
    if asked in {None, "", model_name}:
        return []
    message = f"this deployment manages {model_name!r}, not {asked!r}"
    return [Fault(code="another_model", field="model_name", message=message, allowed=model_name)]


def _id_faults(request_id: str | None) -> list[Fault]:
    if request_id is None or _ID.fullmatch(request_id):
        return []
    allowed = f"at most {LONGEST_ID} letters, digits and . _ ~ : + @ -, the first a letter or digit"
    message = "the id of a request (Idempotency-Key, --request-id) cannot be used"
    return [Fault(code="bad_id", field="Idempotency-Key", message=message, allowed=allowed)]


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
