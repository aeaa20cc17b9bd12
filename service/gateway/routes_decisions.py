"""The pages by which a person decides about the champion: who may, and what is answered."""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from domain.asked_request import ID_PATTERN, LONGEST_ID
from domain.faults import Fault
from domain.ledger import LedgerEntry
from domain.ports.promotion_ledger import PromotionLedger
from domain.request import LONGEST_REASON, no_text
from domain.roles import OPERATE
from domain.run import Run
from domain.run_actions import Actor
from service.gateway.callers import caller_of
from service.gateway.decision_views import PromotionView, RollbackView
from service.gateway.idempotency import KEY, Key, key_of
from service.gateway.openapi import json_body, refusals, shown_at
from service.gateway.operations import object_in, unknown_fields
from service.gateway.refusals import as_problem, unusable
from service.promotion.promoting import PersonPromotion, PromotionOrder
from service.promotion.rollback import Rollback, RollbackOrder
from service.runtime.web.bodies import read_body, require_json

_ENTRY: Final = "api"
_LARGEST: Final = 2**53 - 1
_REASON: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": LONGEST_REASON,
    "description": "Kept in the ledger, and announced.",
}
_WHOLE: Final = {"type": ["integer", "null"], "minimum": 1, "maximum": _LARGEST}
_STEP_BACK: Final = {
    "to": {**_WHOLE, "description": "The generation; null: the newest that every server has served."},
    "reason": _REASON,
    "dry_run": {"type": "boolean", "default": False, "description": "Tell, and change nothing."},
}
_PROMOTION: Final = {
    "version": {**_WHOLE, "description": "A registered version; or `run`."},
    "run": {"type": ["string", "null"], "description": "The id of a run, or of its request; or `version`."},
    "reason": _REASON,
}
_MADE: Final = shown_at(201, "The generation that it made.", "The page of that generation.")
_SHOWN_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True)
class Decisions:
    """What the pages are made of; `run_of` finds a run by its id or its request's, and raises Problem."""

    rollback: Rollback
    promotion: PersonPromotion
    run_of: Callable[[str], Awaitable[Run]]
    max_body_bytes: int


@dataclass(frozen=True)
class _Decision:
    """A body that was read, who sent it, and under which key."""

    fields: Mapping[str, Any]
    caller: str
    key: str
    faults: list[Fault]

    @property
    def actor(self) -> str:
        return Actor(name=self.caller, door=_ENTRY, proven=True).told

    @property
    def reason(self) -> str:
        return str(self.fields["reason"]).strip()

    def number(self, name: str) -> int | None:
        """A whole number, or a fault."""
        value = self.fields.get(name)
        if value is None or (type(value) is int and 1 <= value <= _LARGEST):
            return value
        self.fault(name, f"{name} must be a whole number from 1")
        return None

    def fault(self, name: str, message: str) -> None:
        """Note one."""
        self.faults.append(Fault(code="bad_field", field=name, message=message))

    def require_usable(self) -> None:
        """Raise Problem 422 with every fault."""
        if self.faults:
            raise unusable(self.faults)


def _refused(what: str) -> dict[int | str, dict[str, object]]:
    return refusals(
        400, 404, 408, 409, 413, 415, 422,
        m403="The caller has not the role `operate`, or these pages are closed.",
        m409="It cannot be done, or somebody else was first; nothing was changed.",
        m503=f"{what} does not answer; repeating with the same key is safe.",
    )  # fmt: skip


def _body(properties: Mapping[str, object], **example: object) -> dict[str, object]:
    schema = {
        "type": "object",
        "properties": properties,
        "required": ["reason"],
        "additionalProperties": False,
    }
    return json_body(schema, example)


def add_decision_routes(router: APIRouter, decisions: Decisions) -> None:
    """Add the pages."""
    _add_rollbacks(router, decisions)
    _add_promotions(router, decisions)


def _add_rollbacks(router: APIRouter, decisions: Decisions) -> None:
    @router.post(
        "/rollbacks",
        summary="Return to an earlier generation",
        status_code=HTTPStatus.CREATED,
        responses={
            **_MADE,
            200: {"description": "`dry_run`: nothing was changed.", "model": RollbackView},
            **_refused("The run store or Kafka"),
        },
        openapi_extra=_body(_STEP_BACK, reason="predictions far too high"),
    )
    async def roll_back(request: Request, response: Response, _: Key = None) -> RollbackView:
        """One entry of the ledger, which alias, defaults and every server follow.

        Nothing is trained. It is made while MLflow is away, too: a worker shows it later, and `unchecked`
        says why. The same `Idempotency-Key` again is the same rollback. Needs the role `operate`; who did it
        is kept in the ledger.
        """
        asked = await _asked(request, _STEP_BACK, decisions.max_body_bytes)
        to, dry_run = asked.number("to"), asked.fields.get("dry_run", False)
        if type(dry_run) is not bool:
            asked.fault("dry_run", "dry_run must be true or false")
        asked.require_usable()
        with as_problem():
            if dry_run:
                response.status_code = HTTPStatus.OK
                return RollbackView.of_plan(await decisions.rollback.plan(to))
            order = RollbackOrder(to, asked.reason, asked.actor, asked.key)
            done = await decisions.rollback.roll_back(order)
        response.headers["Location"] = _page_of(done.entry)
        return RollbackView.of_done(done)


def _add_promotions(router: APIRouter, decisions: Decisions) -> None:
    @router.post(
        "/promotions",
        summary="Promote a model in a person's name",
        status_code=HTTPStatus.CREATED,
        responses={**_MADE, **_refused("The run store, Kafka or MLflow")},
        openapi_extra=_body(_PROMOTION, version=7, reason="as agreed with pricing"),
    )
    async def promote(request: Request, response: Response, _: Key = None) -> PromotionView:
        """A registered version, or the model of a run that the gate has declined.

        It becomes a generation with the cause `override`, the reason, and what the gate had said. The same
        `Idempotency-Key` again is the same promotion. Needs the role `operate`; who did it is kept in the
        ledger.
        """
        asked = await _asked(request, _PROMOTION, decisions.max_body_bytes)
        version, run_id = asked.number("version"), asked.fields.get("run")
        if (version is None) == (run_id is None) or not isinstance(run_id, str | None):
            asked.fault("version", "name a version, by its number, or a run, by its id")
        asked.require_usable()
        with as_problem():
            subject = version if version is not None else await decisions.run_of(str(run_id))
            order = PromotionOrder(subject, asked.reason, asked.actor, asked.key)
            done = await decisions.promotion.promote(order)
        response.headers["Location"] = _page_of(done.entry)
        return PromotionView.of(done)


def _page_of(entry: LedgerEntry) -> str:
    return f"/champions/{entry.generation}"


async def _asked(request: Request, fields: Mapping[str, object], most: int) -> _Decision:
    """Read who decides, and what. Raises Problem 403, 400 and for a body that is none."""
    caller = caller_of(request, OPERATE)
    require_json(request, said=True)
    body = object_in(await read_body(request, most))
    key = key_of(request)
    faults = unknown_fields(body, fields)
    asked = _Decision(body, caller, key or str(uuid.uuid4()), faults)
    reason = body.get("reason")
    if not isinstance(reason, str) or not 0 < len(reason.strip()) <= LONGEST_REASON:
        asked.fault("reason", f"{no_text('reason', LONGEST_REASON)}, and say something")
    if not (len(asked.key) <= LONGEST_ID and re.fullmatch(ID_PATTERN, asked.key)):
        faults.append(Fault(code="bad_id", field=KEY, message=f"{KEY} must match {ID_PATTERN}"))
    return asked


async def why_no_worker_shows(ledger: PromotionLedger, model_name: str) -> str:
    """Wait a moment for a worker to show the head; say so if none has."""
    for _ in range(round(_SHOWN_SECONDS / _POLL_SECONDS)):
        if not await ledger.unannounced(model_name):
            return ""
        await asyncio.sleep(_POLL_SECONDS)
    return f"no worker has moved the alias within {_SHOWN_SECONDS:g} s; it does when it and MLflow are there"
