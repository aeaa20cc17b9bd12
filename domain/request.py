"""What asks for a training: the identity of a request, the reading of its payload, and its JSON Schema."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from domain.faults import Fault
from domain.values import LARGEST_VERSION, AskedVersions, Value, spelled_version
from domain.wording import suggestion

LONGEST_REASON: Final = 2000
VERSION_FIELDS: Final = ("split_version", "feature_version", "model_version")
ALLOWED_FIELDS: Final = (
    *VERSION_FIELDS,
    "model_config_version",
    "model_name",
    "requested_by",
    "reason",
    "request_id",
    "retry_of",
)


class Coordinates(Value):
    """Where a record stands in Kafka; the timestamp tells a recreated topic's records from the old ones."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    def __str__(self) -> str:
        """Read as one word in logs and identities."""
        return f"{self.topic}/{self.partition}/{self.offset}@{self.timestamp_ms}"


_COORDINATES: Final = re.compile(r"([\w.-]{1,249})/(\d{1,10})/(\d{1,19})@(-?\d{1,19})", re.ASCII)


def read_coordinates(text: str) -> Coordinates | None:
    """Read them back from their word; None for another text."""
    if (found := _COORDINATES.fullmatch(text)) is None:
        return None
    topic, partition, offset, timestamp_ms = found.groups()
    return Coordinates(
        topic=topic, partition=int(partition), offset=int(offset), timestamp_ms=int(timestamp_ms)
    )


class ReceivedRequest(Value):
    """A request that could be parsed: who it is, what it says, what it belongs to. Not yet judged.

    `identity` is CloudEvents source + id, else `request_id`, else the record's coordinates: two records with
    one identity are one request. `payload` is the JSON object as it came.
    """

    identity: str
    model_name: str
    payload: Mapping[str, object]
    correlation_id: str
    causation_id: str | None = None
    coordinates: Coordinates | None = None


class TrainingRequest(BaseModel):
    """A payload that passed: versions as ints, the rest as short texts."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    split_version: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    feature_version: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    model_version: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    model_config_version: int | None = Field(default=None, ge=1, le=LARGEST_VERSION)
    model_name: str | None = Field(default=None, max_length=200)
    requested_by: str | None = Field(default=None, max_length=200)
    reason: str | None = Field(default=None, max_length=LONGEST_REASON)
    request_id: str | None = Field(default=None, max_length=200)
    retry_of: str | None = Field(default=None, max_length=200)

    @field_validator(*VERSION_FIELDS, "model_config_version", mode="before")
    @classmethod
    def _int_or_digits(cls, value: object) -> object:
        if isinstance(value, str) and (version := spelled_version(value)) is not None:
            return version
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise ValueError("not a version")

    @model_validator(mode="after")
    def _one_model_version(self) -> "TrainingRequest":
        both = {self.model_version, self.model_config_version} - {None}
        if len(both) > 1:
            raise ValueError(
                "model_version and model_config_version disagree; give one, or the same number twice"
            )
        return self

    @property
    def asked(self) -> AskedVersions:
        """The versions that were named, under their own names."""
        model_version = self.model_version if self.model_version is not None else self.model_config_version
        return AskedVersions(
            split_version=self.split_version,
            feature_version=self.feature_version,
            model_version=model_version,
        )


def read_payload(payload: Mapping[str, object]) -> TrainingRequest | list[Fault]:
    """Read a payload, or name all its faults at once with what is allowed."""
    try:
        return TrainingRequest.model_validate(dict(payload))
    except ValidationError as error:
        return [_fault(found) for found in error.errors()]


def _fault(found: ErrorDetails) -> Fault:
    field = ".".join(map(str, found["loc"]))
    if found["type"] == "extra_forbidden":
        return Fault(
            code="unknown_field",
            field=field,
            message=f"no such field: {field!r}{suggestion(field, ALLOWED_FIELDS)}",
            allowed=", ".join(ALLOWED_FIELDS),
        )
    if field in {*VERSION_FIELDS, "model_config_version"}:
        allowed = f"an integer from 1 to {LARGEST_VERSION}, or the same in digits: 7, not 07"
        return Fault(code="bad_version", field=field, message=f"{field} is not a version", allowed=allowed)
    return Fault(code="bad_field", field=field or "model_version", message=_said(found, field))


def _said(found: ErrorDetails, field: str) -> str:
    if found["type"] in {"string_type", "string_too_long"}:
        return no_text(field, TrainingRequest.model_fields[field].metadata[0].max_length)
    text = found["msg"].removeprefix("Value error, ")
    return text if found["type"] == "value_error" else f"{field}: {text}"


def no_text(field: str, most: int) -> str:
    """Say that a field is no text, or too long a one."""
    return f"{field} must be a text of at most {most} characters"


_DIGITS: Final = "^([1-9][0-9]{0,5}|1000000)$"  # up to LARGEST_VERSION
_DEFAULTS: Final = "active_config.yaml's where it is missing"
_DESCRIPTIONS: Final = {
    "split_version": f"`splits/vN.yaml` by its N; {_DEFAULTS}.",
    "feature_version": f"`features/vN.yaml` by its N; {_DEFAULTS}.",
    "model_version": f"`models/vN.yaml` by its N; {_DEFAULTS}.",
    "model_config_version": "Another name of model_version; a request may have both if they agree.",
    "model_name": "The registered model; other deployments on the topic then skip the request.",
    "requested_by": "The requester; kept with the run.",
    "reason": "Why; kept with the run.",
    "retry_of": "The run that this request repeats.",
    "request_id": "The same id is the same request, however often it arrives.",
}


def request_schema() -> dict[str, Any]:
    """Describe the payload: a person may write versions in digits, and may write none at all."""
    schema = TrainingRequest.model_json_schema(mode="serialization")
    version = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": LARGEST_VERSION},
            {"type": "string", "pattern": _DIGITS, "maxLength": len(str(LARGEST_VERSION))},
            {"type": "null"},
        ]
    }
    fields = schema["properties"] | dict.fromkeys((*VERSION_FIELDS, "model_config_version"), version)
    schema["properties"] = {
        name: {**rules, "description": _DESCRIPTIONS[name]} for name, rules in fields.items()
    }
    return schema
