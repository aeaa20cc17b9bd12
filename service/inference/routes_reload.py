"""POST /reload: load what the alias names now. The door has asked for the token already."""

from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request, Response

from domain.errors import NeverRetry, TryLater
from service.inference.auth import Gatekeeper
from service.inference.desk import as_json
from service.inference.door import tell_refused_reload
from service.inference.page_descriptions import RELOAD
from service.inference.reloading import Guard, Outcome, Status
from service.inference.request_fields import LARGEST_WHOLE
from service.web.bodies import read_body, read_json
from service.web.plain_route import PlainRoute
from service.web.problems import Problem

_LARGEST_BODY: Final = 4096


class Reloads(Protocol):
    """Loads the champion, and knows what is wrong when it does not."""

    async def reload(self, guard: Guard | None = None) -> Outcome:
        """Serve what the alias names now. Raises NeverRetry or TryLater; the old model goes on."""

    @property
    def problem(self) -> str | None:
        """Why the last try failed; None when it did not."""


def reload_routes(reloads: Reloads, gatekeeper: Gatekeeper) -> APIRouter:
    """Make the page."""
    router = APIRouter(route_class=PlainRoute)

    @router.post("/reload", **RELOAD)
    async def reload(request: Request) -> Response:
        """A guard names the promotion that the caller knows of; without one the alias decides alone.

        An older promotion than the one that is served is refused. What is loaded is always what the alias
        names.
        """
        try:
            if not gatekeeper.has_token:
                raise _closed()
            guard = _guard(await read_body(request, _LARGEST_BODY))
            return Response(as_json(await _reloaded(reloads, guard)), media_type="application/json")
        except Problem as problem:
            tell_refused_reload(request.scope, problem.reason)
            raise

    return router


async def _reloaded(reloads: Reloads, guard: Guard | None) -> dict[str, Any]:
    try:
        outcome = await reloads.reload(guard)
    except (NeverRetry, TryLater) as error:
        raise Problem(HTTPStatus.INTERNAL_SERVER_ERROR, error.reason, error.message) from error
    model = outcome.model
    if outcome.status in {Status.OUTDATED, Status.ALIAS_BEHIND}:
        raise Problem(
            HTTPStatus.CONFLICT,
            outcome.status,
            outcome.message,
            model_version=str(model.version),
            generation=model.generation,
        )
    return {
        "status": "reloaded",
        "model_version": str(model.version),
        "run_id": model.run_id,
        "feature_version": model.feature_version,
        "generation": model.generation,
        "changed": outcome.status is Status.RELOADED,
    }


def _guard(body: bytes) -> Guard | None:
    """Read the guard; fields besides are another version's, and left alone. Raises Problem."""
    if not body.strip():
        return None
    asked = read_json(body)
    if not isinstance(asked, dict):
        raise _misunderstood()
    if not asked.keys() & {"generation", "version"}:
        return None
    return Guard(_number(asked.get("generation")), _number(asked.get("version")))


def _number(value: Any) -> int:
    """A whole number from 1, also as JSON may write it: 3.0. Raises Problem."""
    if type(value) not in {int, float} or not 1 <= value <= LARGEST_WHOLE or value % 1:
        raise _misunderstood()
    return int(value)


def _misunderstood() -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_guard",
        'the body is {} or nothing, or {"generation": N, "version": N} with whole numbers from 1',
    )


def _closed() -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "reload_closed",
        "no token is configured here, so this page is closed; set INFERENCE_INTERNAL_TOKEN to open it",
    )
