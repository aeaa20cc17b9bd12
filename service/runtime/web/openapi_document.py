"""The OpenAPI document of an application, as FastAPI derives it from the routes."""

from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from typing import Final, cast

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from service.runtime.web.openapi_types import Document, Schema

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
