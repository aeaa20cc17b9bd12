"""Holding promotions: who says that nothing is promoted, until when, and what the gate makes of it."""

from datetime import datetime, timedelta
from typing import Final

from domain.errors import NeverRetry
from domain.promotion_checks import Check, Decision, Verdict
from domain.request import LONGEST_REASON, no_text
from domain.run_actions import Actor
from domain.values import Value
from domain.wording import iso_time

NOT_HELD: Final = "promotions_not_held"
LONGEST: Final = timedelta(days=3660)


class HoldEnding(Value):
    """How a hold ended: by a person, or at its time (then there is no `actor`)."""

    ending_id: str
    at: datetime
    actor: Actor | None = None
    reason: str | None = None

    @property
    def told(self) -> str:
        """Say it in a sentence."""
        by = f"by {self.actor.told}" if self.actor else "at its time"
        why = f": {self.reason}" if self.reason else ""
        return f"released {iso_time(self.at)} {by}{why}"


class PromotionHold(Value):
    """One hold of a model's promotions; `until` is None for one that only a person ends."""

    hold_id: str
    model_name: str
    reason: str
    actor: Actor
    at: datetime
    until: datetime | None = None
    ending: HoldEnding | None = None

    def stands(self, now: datetime) -> bool:
        """True until it was ended, or its time has come."""
        return self.ending is None and not self.is_over(now)

    def is_over(self, now: datetime) -> bool:
        """True when its time has come."""
        return self.until is not None and self.until <= now

    def says_the_same(self, other: "PromotionHold") -> bool:
        """True for the repeat of a request to hold."""
        return (self.reason, self.actor, self.until) == (other.reason, other.actor, other.until)

    @property
    def told(self) -> str:
        """Say it in a sentence."""
        until = f"until {iso_time(self.until)}" if self.until else "until `laurel release`"
        return f"promotions are held since {iso_time(self.at)} by {self.actor.told}, {until}: {self.reason}"


class CannotHold(NeverRetry):
    """Promotions are held already, or are not, or the id is that of another hold."""


def held(verdict: Verdict, hold: PromotionHold | None) -> Verdict:
    """Make PROMOTE HELD while a hold stands; what would not have been promoted stays what it is."""
    if hold is None or verdict.decision is not Decision.PROMOTE:
        return verdict
    detail = (
        f"{hold.told}; the gate would have promoted this candidate: after the hold request the training "
        "again, or decide for it yourself with `laurel promote`"
    )
    return barred(verdict, Decision.HELD, NOT_HELD, detail)


def barred(verdict: Verdict, decision: Decision, check: str, detail: str) -> Verdict:
    """Turn a PROMOTE down by one more check; what the gate said of the scores stays beside it."""
    return verdict.model_copy(
        update={
            "decision": decision,
            "reasons": (detail, *verdict.reasons),
            "checks": (*verdict.checks, Check(name=check, passed=False, detail=detail)),
        }
    )


def reason_given(reason: str) -> str:
    """The reason as it is kept. Raises NeverRetry `no_reason` for none, or one that is too long."""
    text = reason.strip()
    if not text or len(text) > LONGEST_REASON:
        message = f"say why: {no_text('reason', LONGEST_REASON)}, and not empty"
        raise NeverRetry("no_reason", message)
    return text


def later_than(until: datetime | None, now: datetime) -> datetime | None:
    """The end of a hold. Raises NeverRetry `until_is_past`, `until_is_too_far`."""
    if until is None or now < until < now + LONGEST:
        return until
    if until > now:
        message = f"a hold may end within {LONGEST.days} days; give none to hold until a release"
        raise NeverRetry("until_is_too_far", message)
    message = f"a hold until {iso_time(until)} would be over: it is {iso_time(now)} now; give a later time"
    raise NeverRetry("until_is_past", message)
