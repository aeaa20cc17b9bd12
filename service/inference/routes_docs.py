"""/openapi.json for machines, and /docs for people: a plain page that needs nothing from outside."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from starlette.routing import BaseRoute

from service.inference.auth import Gatekeeper
from service.inference.desk import Desk, Limits, as_json
from service.inference.openapi import Document
from service.inference.routes_predict import Desks
from service.inference.served_model import Serving
from service.web.docs_page import CONTENT_POLICY, page
from service.web.plain_route import PlainRoute


def docs_routes(
    routes: Sequence[BaseRoute], serving: Serving, desks: Desks, limits: Limits, gatekeeper: Gatekeeper
) -> APIRouter:
    """Make the two pages, which describe these routes and not themselves."""
    router = APIRouter(route_class=PlainRoute, include_in_schema=False)
    document = Document(routes, has_token=gatekeeper.has_token, refuses_unknown=limits.refuses_unknown)

    def desk() -> Desk | None:
        return None if serving.model is None else desks.now()

    @router.get("/openapi.json")
    async def openapi(_: Request) -> Response:
        return Response(as_json(document.now(desk())), media_type="application/json")

    @router.get("/docs")
    async def docs(_: Request) -> Response:
        shown = page({"/openapi.json": document.now(desk())})
        return Response(shown, media_type="text/html", headers={"Content-Security-Policy": CONTENT_POLICY})

    return router
