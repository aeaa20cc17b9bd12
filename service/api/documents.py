"""The OpenAPI documents of both doors, and one plain page of them for people."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute

from service.api.descriptions import PROBLEM_SCHEMA
from service.api.door import DAG_PREFIX, OPEN_PAGES
from service.web.docs_page import CONTENT_POLICY, page

_DAGS: Final = (
    "The routes of an orchestrator's stable REST API that gateways and dashboards use, for one DAG: the "
    "lifecycle of the model. All ask for HTTP Basic."
)
_OWN: Final = "Ask for trainings, and see what became of them. All but health ask for a bearer token."


def document_routes(own: Sequence[BaseRoute], dags: Sequence[BaseRoute]) -> APIRouter:
    """Make the pages."""
    router = APIRouter(include_in_schema=False)
    own_address, dag_address = "/openapi.json", f"{DAG_PREFIX}openapi.json"
    documents = {
        own_address: _document("Laurel: training requests", _OWN, own, {"type": "http", "scheme": "bearer"}),
        dag_address: _document("Laurel: the DAG API", _DAGS, dags, {"type": "http", "scheme": "basic"}),
    }

    @router.get(own_address)
    async def own_document() -> Response:
        return JSONResponse(documents[own_address])

    @router.get(dag_address)
    async def dag_document() -> Response:
        return JSONResponse(documents[dag_address])

    @router.get("/docs")
    async def docs() -> Response:
        policy = {"Content-Security-Policy": CONTENT_POLICY}
        return Response(page(documents), media_type="text/html", headers=policy)

    return router


def _document(
    title: str, summary: str, routes: Sequence[BaseRoute], scheme: dict[str, Any]
) -> dict[str, Any]:
    document = get_openapi(title=title, version=version("laurel-lifecycle"), summary=summary, routes=routes)
    components = document.setdefault("components", {})
    components["securitySchemes"] = {"credential": scheme}
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):  # refusals are problem details
        schemas.pop(unused, None)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path not in OPEN_PAGES:
                operation["security"] = [{"credential": []}]
    return document
