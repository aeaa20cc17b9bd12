"""An OpenAPI document, as far as the page of it reads it."""

from typing import NotRequired, TypedDict

Schema = TypedDict(
    "Schema",
    {
        "$ref": str,
        "type": str | list[str],
        "anyOf": list["Schema"],
        "items": "Schema",
        "properties": dict[str, "Schema"],
        "required": list[str],
        "additionalProperties": bool,
        "enum": list[object],
        "const": object,
        "pattern": str,
        "minimum": float,
        "maximum": float,
        "description": str,
        "example": object,
    },
    total=False,
)
Parameter = TypedDict(
    "Parameter",
    {
        "name": str,
        "in": str,
        "schema": Schema,
        "required": NotRequired[bool],
        "description": NotRequired[str],
    },
)


class Media(TypedDict):
    """A body in one media type."""

    schema: Schema
    example: NotRequired[object]


class Body(TypedDict):
    """The body that a page reads."""

    content: dict[str, Media]


class DescribedAnswer(TypedDict):
    """One answer of a page."""

    description: str


class Operation(TypedDict):
    """One method of one page."""

    summary: str
    description: NotRequired[str]
    parameters: NotRequired[list[Parameter]]
    requestBody: NotRequired[Body]
    responses: dict[str, DescribedAnswer]
    security: NotRequired[list[dict[str, list[str]]]]


class DocumentInfo(TypedDict):
    """What the document is about."""

    title: str
    version: str
    summary: NotRequired[str]


class Components(TypedDict):
    """What the pages refer to."""

    schemas: dict[str, Schema]
    securitySchemes: NotRequired[dict[str, dict[str, str]]]


class Document(TypedDict):
    """The document."""

    info: DocumentInfo
    paths: dict[str, dict[str, Operation]]
    components: Components
