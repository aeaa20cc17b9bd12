"""The OpenAPI documents of both APIs, and one plain page of them for people."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute

from service.gateway.descriptions import RequestProblem
from service.gateway.middleware import DAG_PREFIX, OPEN_PAGES
from service.runtime.web.docs_page import CONTENT_POLICY, page
from service.runtime.web.openapi_document import openapi_document
from service.runtime.web.openapi_types import Document
from service.runtime.web.problem_schemas import schemas_of

_DAGS: Final = (
    "The routes of an orchestrator's stable REST API that gateways and dashboards use, for one DAG: the "
    "lifecycle of the model. All require HTTP Basic."
)
_OWN: Final = "Request trainings, and follow them. All but health require a bearer token."


def document_routes(own: Sequence[BaseRoute], dags: Sequence[BaseRoute]) -> APIRouter:
    """Make the pages."""
    router = APIRouter(include_in_schema=False)
    own_address, dag_address = "/openapi.json", f"{DAG_PREFIX}openapi.json"
    documents = {
        own_address: _document("Laurel: training requests", _OWN, own, "bearer"),
        dag_address: _document("Laurel: the DAG API", _DAGS, dags, "basic"),
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


def _document(title: str, summary: str, routes: Sequence[BaseRoute], scheme: str) -> Document:
    return openapi_document(
        title,
        summary,
        routes,
        schemas=schemas_of(RequestProblem),
        schemes={"credential": scheme},
        open_pages=OPEN_PAGES,
    )
