"""POST /reload: load what the alias names now. The middleware has checked the token already."""

from http import HTTPStatus
from typing import Final, Protocol

from fastapi import APIRouter, Request, Response

from domain.errors import NeverRetry, TryLater
from service.models.request_fields import LARGEST_WHOLE
from service.runtime.web.answers import PlainRoute
from service.runtime.web.bodies import read_body, read_json
from service.runtime.web.health import as_json
from service.runtime.web.host_and_origin import Entrance
from service.runtime.web.openapi_document import refused
from service.runtime.web.problems import ProblemDetails
from service.serving.middleware import Gatekeeper
from service.serving.page_models import Reloaded
from service.serving.reloading import Guard, ReloadOutcome, Status, UnknownGeneration
from service.serving.routes_predict import UNAUTHORIZED

_LARGEST_BODY: Final = 4096
_GUARD: Final = {"schema": {"$ref": "#/components/schemas/GuardBody"}}


class Reloads(Protocol):
    """Loads the champion, and knows what is wrong when it does not."""

    async def reload(self, guard: Guard | None = None) -> ReloadOutcome:
        """Serve what the alias names now. Raises NeverRetry or TryLater; the old model goes on."""

    @property
    def problem(self) -> str | None:
        """Why the last try failed; None when it did not."""


def reload_routes(reloads: Reloads, gatekeeper: Gatekeeper, entrance: Entrance) -> APIRouter:
    """Make the page."""
    router = APIRouter(route_class=PlainRoute)

    @router.post(
        "/reload",
        summary="Load what the alias names now",
        response_model=Reloaded,
        response_description="It is served; `changed` is false when it was before.",
        responses={
            400: refused("The body is no JSON, or a name occurs twice in one object."),
            401: refused(UNAUTHORIZED),
            403: refused("No token is configured, so this page is closed; or another site's page sent it."),
            408: refused("The body did not come whole in time."),
            409: refused("The caller, or the alias, is behind what is served, or nobody promoted so."),
            413: refused("The body is too large."),
            422: refused("The guard is not understood."),
            500: refused("It cannot be loaded; `reason` says why, and the old model serves on."),
        },
        openapi_extra={"requestBody": {"required": False, "content": {"application/json": _GUARD}}},
    )
    async def reload(request: Request) -> Response:
        """A guard names the promotion that the caller knows of; without one the alias decides alone.

        An older promotion than the one that is served is refused, and so is one that the registry does not
        know. What is loaded is always what the alias names.
        """
        try:
            if not gatekeeper.has_token:
                raise _closed()
            guard = _guard(await read_body(request, _LARGEST_BODY))
            return as_json(await _reloaded(reloads, guard))
        except ProblemDetails as problem:
            entrance.tell(request.scope, "reload_refused", problem.reason)
            raise

    return router


async def _reloaded(reloads: Reloads, guard: Guard | None) -> Reloaded:
    try:
        outcome = await reloads.reload(guard)
    except UnknownGeneration as error:
        raise ProblemDetails(HTTPStatus.CONFLICT, error.reason, error.message) from error
    except (NeverRetry, TryLater) as error:
        raise ProblemDetails(HTTPStatus.INTERNAL_SERVER_ERROR, error.reason, error.message) from error
    model = outcome.model
    if outcome.status in {Status.OUTDATED, Status.ALIAS_BEHIND}:
        raise ProblemDetails(
            HTTPStatus.CONFLICT,
            outcome.status,
            outcome.message,
            model_version=str(model.version),
            generation=model.generation,
        )
    return Reloaded(
        status="reloaded",
        model_version=str(model.version),
        run_id=model.run_id,
        feature_version=model.feature_version,
        generation=model.generation,
        changed=outcome.status is Status.RELOADED,
    )


def _guard(body: bytes) -> Guard | None:
    """Read the guard; further fields belong to another version and are left alone. Raises Problem."""
    if not body.strip():
        return None
    asked = read_json(body)
    if not isinstance(asked, dict):
        raise _misunderstood()
    if not asked.keys() & {"generation", "version"}:
        return None
    return Guard(_number(asked.get("generation")), _number(asked.get("version")))


def _number(value: object) -> int:
    """A whole number from 1, also as JSON may write it: 3.0. Raises Problem."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _misunderstood()
    if not 1 <= value <= LARGEST_WHOLE or value % 1:
        raise _misunderstood()
    return int(value)


def _misunderstood() -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_guard",
        'the body is {} or nothing, or {"generation": N, "version": N} with whole numbers from 1',
    )


def _closed() -> ProblemDetails:
    return ProblemDetails(
        HTTPStatus.FORBIDDEN,
        "reload_closed",
        "no token is configured, so this page is closed; set INFERENCE_INTERNAL_TOKEN to open it",
    )
