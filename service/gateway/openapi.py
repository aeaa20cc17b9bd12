"""The OpenAPI documents of both APIs, what they say of refusals and bodies, and one plain page for people."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.routing import BaseRoute

from domain.faults import Fault
from domain.request import LONGEST_REASON, request_schema
from service.gateway.middleware import DAG_PREFIX, OPEN_PAGES
from service.runtime.web.docs_page import CONTENT_POLICY, page
from service.runtime.web.openapi_document import Document, ProblemBody, openapi_document, refused, schemas_of


class RequestProblem(ProblemBody):
    """Problem details (RFC 9457) with every fault of a request."""

    request_id: str | None = Field(None, description="Of a 503: repeat with it as Idempotency-Key.")
    errors: tuple[Fault, ...] = Field((), description="Each fault, and what is allowed.")


_MEANS: Final = {
    400: "The body is not a JSON object.",
    401: "The credential is missing or wrong.",
    403: "No credential is configured, so these pages are closed; or this one lacks the required role.",
    404: "The request does not exist.",
    408: "The body was not complete in time.",
    409: "A request with that id exists already.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The request is invalid; `errors` names every fault.",
    429: "Too many requests; Retry-After says when to try again.",
    503: "Kafka or the run store does not answer; repeating with the same Idempotency-Key is safe.",
}


def refusals(*statuses: int, **means: str) -> dict[int | str, dict[str, object]]:
    """The refusals of a page, beside those that every page has."""
    return {
        status: refused(means.get(f"m{status}", _MEANS[status]), RequestProblem)
        for status in sorted({401, 403, 429, 503, *statuses})
    }


def json_body(
    schema: Mapping[str, object], example: Mapping[str, object], *, required: bool = True
) -> dict[str, object]:
    """A JSON body that is read by hand."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": required, "content": content}}


def reason_body(example: str) -> dict[str, object]:
    """A body that may be absent, and may say why."""
    reason = {"type": ["string", "null"], "maxLength": LONGEST_REASON, "description": "Kept with the run."}
    schema = {"type": "object", "properties": {"reason": reason}, "additionalProperties": False}
    return json_body(schema, {"reason": example}, required=False)


REQUEST_BODY: Final = json_body(
    request_schema(),
    {"feature_version": 1, "split_version": 1, "model_version": 3, "reason": "new sales"},
)


def shown_at(status: int, description: str, where: str) -> dict[int | str, dict[str, object]]:
    """An answer whose `Location` is the page that shows what was made."""
    location = {"description": where, "schema": {"type": "string"}}
    return {status: {"description": description, "headers": {"Location": location}}}


TAKEN: Final[Mapping[int | str, dict[str, object]]] = shown_at(
    202, "Kafka has it.", "Where the request is shown."
)
NOT_READ: Final = "No worker has read the request yet"


_DAGS: Final = (
    "The routes of an orchestrator's stable REST API that gateways and dashboards use, for one DAG: the "
    "lifecycle of the model. All require HTTP Basic."
)
_OWN: Final = (
    "Request trainings and follow them; see who was champion when, and why. All but health require a bearer "
    "token."
)


def document_routes(own: Sequence[BaseRoute], dags: Sequence[BaseRoute]) -> APIRouter:
    """Make the pages. The documents are made when somebody reads one: a start does not wait for them."""
    router = APIRouter(include_in_schema=False)
    own_address, dag_address = "/openapi.json", f"{DAG_PREFIX}openapi.json"

    @cache
    def documents() -> dict[str, Document]:
        return {
            own_address: _document("Laurel: training requests", _OWN, own, "bearer"),
            dag_address: _document("Laurel: the DAG API", _DAGS, dags, "basic"),
        }

    @router.get(own_address)
    async def own_document() -> Response:
        return JSONResponse(documents()[own_address])

    @router.get(dag_address)
    async def dag_document() -> Response:
        return JSONResponse(documents()[dag_address])

    @router.get("/docs")
    async def docs() -> Response:
        policy = {"Content-Security-Policy": CONTENT_POLICY}
        return Response(page(documents()), media_type="text/html", headers=policy)

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
