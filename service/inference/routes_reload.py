"""POST /reload: load what the alias names now. The door has asked for the token already."""

from http import HTTPStatus
from typing import Any, Final, Protocol

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.errors import NeverRetry, TryLater
from service.inference.auth import Gatekeeper
from service.inference.bodies import read_body
from service.inference.desk import as_json
from service.inference.door import tell_refused_reload
from service.inference.page_descriptions import RELOAD
from service.inference.problems import Problem
from service.inference.reloading import Guard, Outcome, Status
from service.inference.routes_predict import PlainRoute

_LARGEST_BODY: Final = 4096


class Reloads(Protocol):
    """Loads the champion, and knows what is wrong when it does not."""

    async def reload(self, guard: Guard | None = None) -> Outcome:
        """Serve what the alias names now. Raises NeverRetry or TryLater; the old model goes on."""

    @property
    def problem(self) -> str | None:
        """Why the last try failed; None when it did not."""


class _Body(BaseModel):
    """What may stand in a reload's body; other fields are another version's, and left alone."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    generation: int | None = Field(default=None, strict=True, ge=1, le=2**53)
    version: int | None = Field(default=None, strict=True, ge=1, le=2**53)


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
    if not body.strip():
        return None
    try:
        asked = _Body.model_validate_json(body)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
            raise Problem(HTTPStatus.BAD_REQUEST, "not_json", "the body is no JSON") from None
        raise _misunderstood() from None
    if asked.generation is None and asked.version is None:
        return None
    if asked.generation is None or asked.version is None:
        raise _misunderstood()
    return Guard(asked.generation, asked.version)


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
