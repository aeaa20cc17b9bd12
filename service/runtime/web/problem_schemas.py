"""Problem details in an OpenAPI document, where they have a media type of their own."""

from typing import Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from service.runtime.web.openapi_types import Schema
from service.runtime.web.problems import MEDIA_TYPE

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
