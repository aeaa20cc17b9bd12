"""The JSON Schema of a request, and an example of one, from the same fields that the checks are made of."""

import math
from collections.abc import Sequence
from typing import Final

from service.models.request_fields import RequestField
from service.runtime.web.openapi_document import Schema
from service.serving.served_model import ServedModel

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
