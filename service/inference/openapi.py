"""The OpenAPI document: the pages, and in it the rows that the served model takes."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from service.inference.desk import Desk
from service.inference.door import OPEN_PAGES
from service.inference.page_descriptions import SCHEMAS
from service.inference.request_schema import row_schema

_ANY_ROW: Final = {"type": "object", "description": "No model is loaded yet: /schema will tell its fields."}


class Document:
    """Makes the document, once per model."""

    def __init__(self, routes: Sequence[BaseRoute], *, has_token: bool, refuses_unknown: bool) -> None:
        self._routes = routes
        self._has_token = has_token
        self._refuses_unknown = refuses_unknown
        self._made: tuple[Desk | None, dict[str, Any]] | None = None

    def now(self, desk: Desk | None) -> dict[str, Any]:
        """The document for the model at this desk; with None any row is described."""
        if self._made is None or self._made[0] is not desk:
            self._made = (desk, self._make(desk))
        return self._made[1]

    def _make(self, desk: Desk | None) -> dict[str, Any]:
        document = get_openapi(
            title="Laurel inference",
            version=version("laurel-lifecycle"),
            summary=_summary(desk),
            routes=self._routes,
        )
        row = row_schema(desk.fields, refuse_unknown=self._refuses_unknown) if desk else dict(_ANY_ROW)
        components = document.setdefault("components", {})
        components["schemas"] = {"Row": row, **SCHEMAS}
        if self._has_token:
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            for path, operations in document["paths"].items():
                if path not in OPEN_PAGES:
                    for operation in operations.values():
                        operation["security"] = [{"token": []}]
        return document


def _summary(desk: Desk | None) -> str:
    if desk is None:
        return "No model is loaded yet."
    return f"Serves {desk.model.model_name}, version {desk.model.version}."
