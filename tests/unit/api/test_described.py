"""The OpenAPI documents of both doors say of every field and parameter what it means."""

from collections.abc import Iterator
from typing import cast
from unittest.mock import Mock

import pytest
from starlette.routing import BaseRoute

from service.gateway.app import health_routes
from service.gateway.dag.routes import dag_routes
from service.gateway.openapi import RequestProblem
from service.gateway.routes_requests import request_routes
from service.runtime.web.openapi_document import Document, Schema, openapi_document, schemas_of

OWN = [*request_routes(Mock()).routes, *health_routes(Mock()).routes]
DAGS = dag_routes(Mock()).routes


def undescribed(document: Document) -> Iterator[str]:
    """Each field and parameter without a description, by its place."""
    for name, schema in document["components"]["schemas"].items():
        yield from fields(name, schema)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for parameter in operation.get("parameters", ()):
                if not parameter.get("description"):
                    yield f"{path}?{parameter['name']}"
            if "requestBody" in operation:
                yield from fields(path, operation["requestBody"]["content"]["application/json"]["schema"])


def fields(place: str, schema: Schema) -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        if not field.get("description"):
            yield f"{place}.{name}"


@pytest.mark.parametrize("routes", [OWN, DAGS], ids=["own pages", "DAG pages"])
def test_every_field_and_parameter_is_described(routes: list[BaseRoute]) -> None:
    schemas = schemas_of(RequestProblem)
    document = openapi_document("", "", routes, schemas=schemas, schemes={}, open_pages=())
    assert len(document["components"]["schemas"]) > len(schemas)
    assert [*undescribed(document)] == []


def test_a_field_without_a_description_is_found() -> None:
    bare: Schema = {"properties": {"size": {"type": "integer"}, "kind": {"description": "Which."}}}
    document = cast("Document", {"components": {"schemas": {"Thing": bare}}, "paths": {}})
    assert [*undescribed(document)] == ["Thing.size"]
