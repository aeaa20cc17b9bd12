"""Holding promotions and releasing them, by a person or at the hold's time."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from domain.bar_announcement import hold_begun, hold_ended
from domain.errors import NeverRetry
from domain.hold import CannotHold, HoldEnding, PromotionHold, later_than, reason_given
from domain.points import NO_POINTS, Point, Points
from domain.ports.bars import Holds
from domain.ports.clock import Clock
from domain.run_actions import Actor
from service.runtime.lazy_log import LaterLog

log = LaterLog(__name__)


@dataclass(frozen=True)
class PromotionHolding:
    """Begins and ends holds in the run store; Kafka and MLflow need not answer.

    Each call may be repeated under the id of its request, `key`; without one, each is another request.
    """

    model_name: str
    holds: Holds
    clock: Clock
    points: Points = NO_POINTS

    async def hold(
        self, reason: str, until: datetime | None, actor: Actor, key: str | None = None
    ) -> PromotionHold:
        """Let nothing be promoted from now on.

        Raises CannotHold `held_already` with who holds; NeverRetry `id_conflict`, or for what cannot be a
        reason or an end; TryLater when the store does not answer.
        """
        hold = PromotionHold(
            hold_id=self._id(actor, key),
            model_name=self.model_name,
            reason=reason_given(reason),
            actor=actor,
            at=self.clock.now(),
            until=later_than(until, self.clock.now()),
        )
        await self.settle()
        await self.points.at(Point.HOLD_BEFORE_COMMIT)
        begun = await self.holds.begin(hold, hold_begun(hold))
        await self.points.at(Point.HOLD_AFTER_COMMIT)
        if begun is None:
            raise await self._held_already()
        if not begun.says_the_same(hold):
            raise NeverRetry("id_conflict", f"that id is of another hold: {begun.told}")
        log.warning("promotions_held", hold=begun.hold_id, message=begun.told)
        return begun

    async def release(self, reason: str | None, actor: Actor, key: str | None = None) -> PromotionHold:
        """End the hold that stands.

        Raises CannotHold `not_held`, NeverRetry for what cannot be a reason, TryLater as above.
        """
        ending_id = self._id(actor, key)
        known = await self.holds.ended_by(ending_id)
        if known is not None:
            return known
        await self.settle()
        hold = await self.holds.open()
        text = None if reason is None else reason_given(reason)
        ending = HoldEnding(ending_id=ending_id, at=self.clock.now(), actor=actor, reason=text)
        ended = None if hold is None else await self._ended(hold, ending)
        if ended is None:
            raise CannotHold("not_held", f"promotions of {self.model_name} are not held")
        return ended

    async def settle(self) -> PromotionHold | None:
        """End a hold whose time has come, and announce it; give the hold that stands. Safe to repeat."""
        hold = await self.holds.open()
        if hold is None or hold.until is None or not hold.is_over(self.clock.now()):
            return hold
        ending = HoldEnding(ending_id=f"{hold.hold_id}/time", at=hold.until)
        return None if await self._ended(hold, ending) else await self.holds.active()

    async def _ended(self, hold: PromotionHold, ending: HoldEnding) -> PromotionHold | None:
        await self.points.at(Point.RELEASE_BEFORE_COMMIT)
        ended = await self.holds.end(hold, ending, hold_ended(hold, ending))
        await self.points.at(Point.RELEASE_AFTER_COMMIT)
        if ended is not None:
            log.info("promotions_released", hold=ended.hold_id, message=ending.told)
        return ended

    async def _held_already(self) -> CannotHold:
        hold = await self.holds.active()
        told = hold.told if hold else "another hold has just ended: repeat this"
        return CannotHold("held_already", f"{told}; release it first with `laurel release`")

    def _id(self, actor: Actor, key: str | None) -> str:
        return request_id_of(self.model_name, actor, key)


def request_id_of(model_name: str, actor: Actor, key: str | None) -> str:
    """The id of a request that one may repeat: one's own key is another than another person's."""
    if key is None:
        return str(uuid.uuid4())
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{model_name}/{actor.door}/{actor.name}/{key}"))
