"""What the OpenAPI document of the DAG API says of refusals, and of bodies that are read by hand."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from service.gateway.openapi import json_body, refusals
from service.runtime.web.problems import MEDIA_TYPE

_OTHER: Final[Mapping[int | str, dict[str, object]]] = {
    "4XX": {"description": "Refused; `detail` says why.", "content": {MEDIA_TYPE: {}}}
}


def dag_refusals(*statuses: int, **means: str) -> dict[int | str, dict[str, object]]:
    """The refusals of a page of the DAG API, beside those that every page has."""
    said = {
        "m400": "A parameter or the body is invalid; `detail` names every fault.",
        "m404": "The DAG, run, task or variable does not exist.",
        "m503": "Kafka or the database does not answer; repeating is safe.",
        **means,
    }
    return {**refusals(400, 404, *statuses, **said), **_OTHER}


def body_of(model: type[BaseModel], **example: object) -> dict[str, object]:
    """A JSON body that is read as this model."""
    return json_body(model.model_json_schema(), example)
