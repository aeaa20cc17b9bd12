"""What the pages take and answer, and the problems and bodies that the OpenAPI document names beside them.

The schema and the example of a request come from the same fields that the checks are made of.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from domain.convergence import ServedForm
from service.models.request_fields import LARGEST_WHOLE, InputFault, RequestField
from service.runtime.web.openapi_document import ProblemBody, Schema
from service.serving.served_model import ServedModel

Version = Annotated[str, Field(description="The registered version.")]
Generation = Annotated[
    int | None, Field(ge=1, description="The promotion ledger's number; null when nobody wrote one.")
]
RunId = Annotated[str | None, Field(description="The MLflow run that trained it.")]
Digest = Annotated[str, Field(description="The sha256 that seals its manifest.")]

Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class ServingAnswer(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


class Prediction(ServingAnswer):
    """The prediction for one row."""

    model_config = ConfigDict(json_schema_extra={"example": {"prediction": 181500.0, "model_version": "7"}})

    prediction: float = Field(description="Of the target, in its own unit.")
    model_version: Version


class InputProblem(ProblemBody):
    """Problem details (RFC 9457) with the fields that cannot be taken."""

    errors: tuple[InputFault, ...] = Field((), description="The first faults, in the rows' order.")


class GuardBody(ServingAnswer):
    """The promotion that the caller knows of: both numbers, or neither."""

    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"generation": ["version"], "version": ["generation"]},
            "example": {"generation": 3, "version": 7},
        }
    )

    generation: int = Field(0, ge=1, le=LARGEST_WHOLE, description="An older one than is served is refused.")
    version: int = Field(0, ge=1, le=LARGEST_WHOLE, description="The version that it promoted.")


class Reloaded(ServingAnswer):
    """The model that is served after a reload."""

    status: Literal["reloaded"] = Field(description="Always `reloaded`.")
    model_version: Version
    run_id: RunId
    feature_version: int = Field(ge=1, description="The version of its feature schema.")
    generation: Generation
    changed: bool = Field(description="False when it was served before.")


class Unloadable(ServingAnswer):
    """A version that no process can load, and that is not tried again."""

    model_version: Version
    generation: Generation
    digest: Digest
    reason: str = Field(description="A code for machines.")
    detail: str = Field(description="How the process ended that tried.")
    at: Moment = Field(description="When it ended.")


class NoModelInfo(ServingAnswer, ServedForm):
    """What a server says of itself without a model."""

    model_name: str = Field(description="The registered model.")
    stale: bool = Field(description="The model is from the local cache: the registry does not answer.")
    problem: str | None = Field(description="Why the last reload failed; null when it did not.")
    unloadable: tuple[Unloadable, ...] = Field(description="Versions that are not tried again.")


class Info(NoModelInfo):
    """The served model, and where it came from."""

    model_version: Version
    run_id: RunId
    generation: Generation
    feature_version: int = Field(ge=1, description="The version of its feature schema.")
    data_contract_version: int = Field(ge=1, description="The version of its data contract.")
    target: str = Field(description="The column that it predicts.")
    digest: Digest
    files: dict[str, str] = Field(description="The sha256 of each of its files, by path.")
    loaded_at: Moment = Field(description="When this server loaded it.")


class ServingHealth(ServingAnswer):
    """Whether predictions are answered."""

    status: Literal["ok", "unavailable"] = Field(description="`ok` while predictions are answered.")
    detail: str = Field("", description="What is missing; absent when nothing is.")
    model_loaded: bool = Field(description="False until the first champion is loaded.")
    model_version: str | None = Field(description="The registered version; null without a model.")


_TYPES: Final = {"string": "string", "int": "integer", "float": "number"}
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def row_schema(fields: Sequence[RequestField], *, refuse_unknown: bool) -> Schema:
    """What one row must be."""
    return {
        "type": "object",
        "properties": {field.name: _property(field) for field in fields},
        "required": [field.name for field in fields if not field.nullable],
        "additionalProperties": not refuse_unknown,
        "example": example_row(fields),
    }


def request_schema(
    model: ServedModel, fields: Sequence[RequestField], *, refuse_unknown: bool
) -> dict[str, object]:
    """The schema of one row as a document of its own; a request holds one such row, or a list of them."""
    return {
        "$schema": _DIALECT,
        "title": f"{model.model_name}, version {model.version}",
        "description": f"One row. The answer is a prediction of {model.contract.target}.",
        **row_schema(fields, refuse_unknown=refuse_unknown),
    }


def example_row(fields: Sequence[RequestField]) -> dict[str, object]:
    """A row that is taken."""
    return {field.name: _example(field) for field in fields}


def _property(field: RequestField) -> Schema:
    kind = _TYPES[field.type]
    found: Schema = {"type": [kind, "null"] if field.nullable else kind}
    if field.values is not None:
        found["enum"] = [*field.values, *([None] if field.nullable else [])]
    if field.type != "string":
        found["minimum"], found["maximum"] = field.low, field.high
    if field.format is not None:
        found["pattern"] = f"^(?:{field.format})$"
    return found


def _example(field: RequestField) -> object:
    if field.values:
        return field.values[0]
    if field.type == "string":
        return field.sample or (None if field.nullable else "text")
    middle = _near_zero(field)
    return math.ceil(middle) if field.type == "int" else middle


def _near_zero(field: RequestField) -> float:
    """The number from `low` to `high` that is nearest to zero."""
    return float(min(max(0.0, field.low), field.high))
