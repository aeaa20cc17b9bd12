"""/openapi.json for machines, and /docs for people: a plain page that needs nothing from outside.

The document holds the pages, and in it the rows that the served model takes. A browser cannot send the token:
to a caller without it the page says nothing of the served model.
"""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.routing import BaseRoute

from service.runtime.web.answers import PlainRoute
from service.runtime.web.docs_page import CONTENT_POLICY, page
from service.runtime.web.health import as_json
from service.runtime.web.openapi_document import (
    Document,
    ProblemBody,
    Schema,
    openapi_document,
    refused,
    schemas_of,
)
from service.serving.middleware import OPEN_PAGES, Gatekeeper
from service.serving.page_models import GuardBody, InputProblem, row_schema
from service.serving.predictor import Limits, Predictor
from service.serving.routes_predict import UNAUTHORIZED, Predictors
from service.serving.served_model import Serving

_ANY_ROW: Final[Schema] = {
    "type": "object",
    "description": "No model is loaded yet: /schema will tell its fields.",
}
_FOR_ANYBODY: Final = (
    "A row's fields depend on the served model: with the token, `/schema` shows them, and `/openapi.json` "
    "shows all of this page."
)


class OpenapiDocument:
    """Makes the document, once per model."""

    def __init__(self, routes: Sequence[BaseRoute], *, has_token: bool, refuses_unknown: bool) -> None:
        self._routes = routes
        self._has_token = has_token
        self._refuses_unknown = refuses_unknown
        self._made: tuple[Predictor | None, Document] | None = None

    def now(self, predictor: Predictor | None) -> Document:
        """The document for the model at this desk; with None any row is described."""
        if self._made is None or self._made[0] is not predictor:
            self._made = (predictor, self._make(predictor, _summary(predictor)))
        return self._made[1]

    def without_model(self) -> Document:
        """The document as anybody may read it: with no word of the served model."""
        return self._make(None, _FOR_ANYBODY)

    def _make(self, predictor: Predictor | None, summary: str) -> Document:
        row = row_schema(predictor.fields, refuse_unknown=self._refuses_unknown) if predictor else _ANY_ROW
        return openapi_document(
            "Laurel inference",
            summary,
            self._routes,
            schemas={"Row": row, **schemas_of(ProblemBody, InputProblem, GuardBody)},
            schemes={"token": "bearer"} if self._has_token else {},
            open_pages=OPEN_PAGES,
        )


def _summary(predictor: Predictor | None) -> str:
    if predictor is None:
        return "No model is loaded yet."
    return f"Serves {predictor.model.model_name}, version {predictor.model.version}."


def docs_routes(
    routes: Sequence[BaseRoute],
    serving: Serving,
    predictors: Predictors,
    limits: Limits,
    gatekeeper: Gatekeeper,
) -> APIRouter:
    """Make the two pages, which describe these routes and not themselves."""
    router = APIRouter(route_class=PlainRoute, include_in_schema=False)
    refusals: dict[int | str, dict[str, object]] = {401: refused(UNAUTHORIZED)}
    document = OpenapiDocument(routes, has_token=gatekeeper.has_token, refuses_unknown=limits.refuses_unknown)

    def predictor() -> Predictor | None:
        return None if serving.model is None else predictors.now()

    @router.get("/openapi.json", responses=refusals)
    async def openapi(_: Request) -> Response:
        return as_json(document.now(predictor()))

    @router.get("/docs", responses=refusals)
    async def docs(request: Request) -> Response:
        is_known = gatekeeper.refusal(request.scope) is None
        shown = page({"/openapi.json": document.now(predictor()) if is_known else document.without_model()})
        return Response(shown, media_type="text/html", headers={"Content-Security-Policy": CONTENT_POLICY})

    return router
