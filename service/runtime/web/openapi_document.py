"""The OpenAPI document of an application, as FastAPI derives it from the routes and its page reads it."""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Final, NotRequired, TypedDict, cast

from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema
from starlette.routing import BaseRoute

from service.runtime.web.problems import MEDIA_TYPE

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


_UNUSED: Final = ("HTTPValidationError", "ValidationError")  # refusals are problem details


def openapi_document(
    title: str,
    summary: str,
    routes: Sequence[BaseRoute],
    *,
    schemas: Mapping[str, Schema],
    schemes: Mapping[str, str],
    open_pages: Collection[str],
) -> Document:
    """Describe the routes, with schemas that they name by reference alone.

    Pages that are not open ask for a credential of one of HTTP's schemes, by their names here.
    """
    document = get_openapi(title=title, version=version("laurel-lifecycle"), summary=summary, routes=routes)
    components = document.setdefault("components", {})
    known = components.setdefault("schemas", {})
    known.update(schemas)
    for unused in _UNUSED:
        known.pop(unused, None)
    if schemes:
        components["securitySchemes"] = {
            name: {"type": "http", "scheme": scheme} for name, scheme in schemes.items()
        }
        for path in document["paths"].keys() - open_pages:
            for operation in document["paths"][path].values():
                operation["security"] = [{name: []} for name in schemes]
    return cast("Document", document)


_PLACE: Final = "#/components/schemas/{model}"


class ProblemBody(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Always `about:blank`: `reason` tells problems apart.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What is wrong and what to do, for a person.")
    reason: str = Field(description="A code for machines.")


def refused(description: str, model: type[ProblemBody] = ProblemBody) -> dict[str, object]:
    """Describe one refusal. `schemas_of` makes the model's schema, which the document needs too."""
    schema = {"$ref": _PLACE.format(model=model.__name__)}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": schema}}}


def schemas_of(*models: type[BaseModel]) -> dict[str, Schema]:
    """The schemas of models that a document names by reference alone, by their names."""
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template=_PLACE)
    schemas: dict[str, Schema] = found["$defs"]
    return schemas
