"""The pages of holds and quarantines: who operates may bar promotions, and allow them again."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from domain.faults import Fault
from domain.ports.bars import HoldReads, QuarantineReads
from domain.request import LONGEST_REASON, no_text
from domain.roles import OPERATE
from domain.run_actions import Actor
from service.gateway.bar_views import HoldsView, HoldView, QuarantinesView, QuarantineView
from service.gateway.callers import caller_of
from service.gateway.idempotency import Key, key_of
from service.gateway.openapi import json_body, refusals, shown_at
from service.gateway.operations import brief_body, unknown_fields
from service.gateway.refusals import Flag, Moment, as_problem, unusable
from service.promotion.holding import PromotionHolding
from service.promotion.quarantining import Lifting

_ENTRY: Final = "api"
_MOST: Final = 100
_MOMENT: Final = TypeAdapter[datetime](Moment)
_HELD: Final = shown_at(201, "Promotions are held.", "The page that shows the hold that stands.")

Generation = Annotated[int, Path(ge=1, le=2**53, description="The generation that was rolled back from.")]
Lifted = Annotated[Flag | None, Query(description="True: also those that were lifted.")]
Limit = Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")]


@dataclass(frozen=True)
class BarDependencies:
    """What the pages are made of."""

    model_name: str
    holds: HoldReads
    quarantines: QuarantineReads
    holding: PromotionHolding
    lifting: Lifting
    max_body_bytes: int


def add_bar_routes(router: APIRouter, dependencies: BarDependencies) -> None:
    """Add the pages."""
    _add_holds(router, dependencies)
    _add_releases(router, dependencies)
    _add_quarantines(router, dependencies)


def _add_holds(router: APIRouter, dependencies: BarDependencies) -> None:
    model_name, most = dependencies.model_name, dependencies.max_body_bytes

    page = "/holds"

    @router.get(page, summary="Tell whether promotions are held", responses=refusals(422))
    async def holds(limit: Limit = 20) -> HoldsView:
        """The hold that stands, and the newest ones."""
        with as_problem():
            active, newest = await dependencies.holds.active(), await dependencies.holds.newest(limit)
        return HoldsView(
            model_name=model_name,
            active=None if active is None else HoldView.of(active),
            holds=tuple(map(HoldView.of, newest)),
        )

    @router.post(
        page,
        summary="Hold promotions",
        status_code=HTTPStatus.CREATED,
        responses={
            **_HELD,
            **_refused("Promotions are held already, or the key came before with another hold."),
        },
        openapi_extra=_body({"reason": "audit until noon", "until": "2026-11-29T12:00:00Z"}, "reason"),
    )
    async def hold(request: Request, response: Response, _: Key = None) -> HoldView:
        """Candidates are trained and judged, and end DECLINED with the verdict HELD.

        A rollback is not held. Needs the role `operate`; who did it is kept.
        """
        actor = _actor(request)
        said = read_said(await brief_body(request, most), ("reason", "until"), ("reason",))
        with as_problem():
            begun = await dependencies.holding.hold(said.reason or "", said.until, actor, key_of(request))
        response.headers["Location"] = page
        return HoldView.of(begun)


def _add_releases(router: APIRouter, dependencies: BarDependencies) -> None:
    most = dependencies.max_body_bytes

    @router.post(
        "/releases",
        summary="Release promotions",
        responses=_refused("Promotions are not held."),
        openapi_extra=_body({"reason": "the audit is done"}),
    )
    async def release(request: Request, _: Key = None) -> HoldView:
        """The hold that stands is over. Needs the role `operate`; who did it is kept."""
        actor = _actor(request)
        said = read_said(await brief_body(request, most), ("reason",))
        with as_problem():
            return HoldView.of(await dependencies.holding.release(said.reason, actor, key_of(request)))


def _add_quarantines(router: APIRouter, dependencies: BarDependencies) -> None:
    @router.get("/quarantine", summary="List what is not promoted again", responses=refusals(422))
    async def listed(lifted: Lifted = None, limit: Limit = _MOST) -> QuarantinesView:
        """What was rolled back from: the gate promotes neither the model nor its recipe."""
        reads = dependencies.quarantines
        with as_problem():
            shown = await reads.all(limit) if lifted else (await reads.active())[:limit]
        return QuarantinesView(
            model_name=dependencies.model_name, quarantines=tuple(map(QuarantineView.of, shown))
        )

    @router.post(
        "/quarantine/{generation}/lift",
        summary="Allow a generation's model and recipe again",
        responses=_refused("That generation is not quarantined, or the key came before with another one."),
        openapi_extra=_body({"reason": "it was the gateway, not the model"}, "reason"),
    )
    async def lift(request: Request, generation: Generation, _: Key = None) -> QuarantineView:
        """The gate may promote it again. Needs the role `operate`; who did it is kept."""
        actor = _actor(request)
        said = read_said(await brief_body(request, dependencies.max_body_bytes), ("reason",), ("reason",))
        with as_problem():
            lifted = await dependencies.lifting.lift(generation, said.reason or "", actor, key_of(request))
            return QuarantineView.of(lifted)


def _refused(conflict: str) -> dict[int | str, dict[str, object]]:
    return refusals(
        400, 408, 409, 413, 415, 422,
        m403="The caller has not the role `operate`, or these pages are closed.",
        m409=conflict,
        m503="The run store does not answer; repeating with the same Idempotency-Key is safe.",
    )  # fmt: skip


def _actor(request: Request) -> Actor:
    return Actor(name=caller_of(request, OPERATE), door=_ENTRY, proven=True)


@dataclass(frozen=True)
class Said:
    """What a body says."""

    reason: str | None
    until: datetime | None


def read_said(body: Mapping[str, object], known: Sequence[str], needed: Sequence[str] = ()) -> Said:
    """Read a body whose fields may be absent, but for the needed ones. Raises Problem 422 with all faults."""
    faults = unknown_fields(body, known)
    reason, until = body.get("reason"), body.get("until")
    absent = reason is None and "reason" not in needed
    if not absent and not (isinstance(reason, str) and 0 < len(reason.strip()) <= LONGEST_REASON):
        message = f"{no_text('reason', LONGEST_REASON)}, and not empty"
        faults.append(Fault(code="bad_field", field="reason", message=message))
    moment = None if until is None or "until" not in known else _moment(until)
    if isinstance(moment, Fault):
        faults.append(moment)
    if faults or isinstance(moment, Fault):
        raise unusable(faults)
    return Said(reason if isinstance(reason, str) else None, moment)


def _moment(given: object) -> datetime | Fault:
    with suppress(ValidationError):
        if isinstance(given, str):
            return _MOMENT.validate_python(given)
    message = "until must be a date and time with its offset from UTC: 2026-01-31T06:00:00Z"
    return Fault(code="bad_field", field="until", message=message)


def _body(example: Mapping[str, object], *needed: str) -> dict[str, object]:
    text = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "description": "Why; it is kept."}
    moment = {"type": ["string", "null"], "format": "date-time", "description": "When it ends by itself."}
    reason = text if needed else {**text, "type": ["string", "null"]}
    known = {"reason": reason, "until": moment}
    properties = {name: known[name] for name in example}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if needed:
        schema["required"] = list(needed)
    return json_body(schema, example, required=bool(needed))
