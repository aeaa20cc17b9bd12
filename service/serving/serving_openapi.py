"""The OpenAPI document: the pages, and in it the rows that the served model takes."""

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute

from service.runtime.web.openapi_document import openapi_document
from service.runtime.web.openapi_types import Document, Schema
from service.runtime.web.problem_schemas import ProblemBody, schemas_of
from service.serving.middleware import OPEN_PAGES
from service.serving.page_models import GuardBody, InputProblem
from service.serving.predictor import Predictor
from service.serving.request_schema import row_schema

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
