"""/openapi.json for machines, and /docs for people: a plain page that needs nothing from outside.

A browser cannot send the token: to a caller without it the page says nothing of the served model.
"""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from starlette.routing import BaseRoute

from service.runtime.web.docs_page import CONTENT_POLICY, page
from service.runtime.web.health import as_json
from service.runtime.web.plain_route import PlainRoute
from service.runtime.web.problem_schemas import refused
from service.serving.auth import Gatekeeper
from service.serving.predictor import Limits, Predictor
from service.serving.routes_predict import UNAUTHORIZED, Predictors
from service.serving.served_model import Serving
from service.serving.serving_openapi import OpenapiDocument


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
