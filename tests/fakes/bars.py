"""The ports `Holds` and `Quarantines` in memory."""

from collections.abc import Sequence

from domain.announcement import Announcement
from domain.hold import HoldEnding, PromotionHold
from domain.quarantine import Lift, Quarantine
from tests.fakes.memory import Memory


class FakeHolds:
    """One model's holds; a hold stands by the memory's clock."""

    def __init__(self, memory: Memory, model: str) -> None:
        self.memory = memory
        self._model = model

    async def active(self) -> PromotionHold | None:
        return active_hold(self.memory, self._model)

    async def open(self) -> PromotionHold | None:
        return next((hold for hold in self._ours() if hold.ending is None), None)

    async def newest(self, limit: int) -> Sequence[PromotionHold]:
        return sorted(self._ours(), key=lambda hold: hold.at, reverse=True)[:limit]

    async def begin(self, hold: PromotionHold, announcement: Announcement) -> PromotionHold | None:
        known = [one for one in self.memory.holds if one.hold_id == hold.hold_id]
        if known or await self.open() is not None:
            return known[0] if known else None
        self.memory.holds.append(hold)
        self.memory.announce(announcement)
        return hold

    async def end(
        self, hold: PromotionHold, ending: HoldEnding, announcement: Announcement
    ) -> PromotionHold | None:
        for place, one in enumerate(self.memory.holds):
            over = ending.actor is not None or one.is_over(self.memory.now())
            if one.hold_id == hold.hold_id and one.ending is None and over:
                self.memory.holds[place] = one.model_copy(update={"ending": ending})
                self.memory.announce(announcement)
        return await self.ended_by(ending.ending_id)

    async def ended_by(self, ending_id: str) -> PromotionHold | None:
        ended = (hold for hold in self.memory.holds if hold.ending and hold.ending.ending_id == ending_id)
        return next(ended, None)

    def _ours(self) -> list[PromotionHold]:
        return [hold for hold in self.memory.holds if hold.model_name == self._model]


class FakeQuarantines:
    """One model's quarantines."""

    def __init__(self, memory: Memory, model: str) -> None:
        self.memory = memory
        self._model = model

    async def active(self) -> Sequence[Quarantine]:
        return [one for one in self._newest_first() if one.lift is None]

    async def all(self, limit: int) -> Sequence[Quarantine]:
        return self._newest_first()[:limit]

    async def lift(self, generation: int, lift: Lift, announcement: Announcement) -> Quarantine | None:
        for place, one in enumerate(self.memory.quarantines):
            if (one.model_name, one.generation, one.lift) == (self._model, generation, None):
                self.memory.quarantines[place] = one.model_copy(update={"lift": lift})
                self.memory.announce(announcement)
        return await self.lifted_by(lift.lift_id)

    async def lifted_by(self, lift_id: str) -> Quarantine | None:
        return next((one for one in self._newest_first() if one.lift and one.lift.lift_id == lift_id), None)

    def _newest_first(self) -> list[Quarantine]:
        ours = [one for one in self.memory.quarantines if one.model_name == self._model]
        return sorted(ours, key=lambda one: (one.by_generation, one.generation), reverse=True)


def active_hold(memory: Memory, model: str) -> PromotionHold | None:
    """The hold that stands in this memory."""
    now = memory.now()
    return next((hold for hold in memory.holds if hold.model_name == model and hold.stands(now)), None)


def quarantine(memory: Memory, begun: Sequence[Quarantine], announcements: Sequence[Announcement]) -> None:
    """Begin and announce quarantines, but of what is quarantined already."""
    active = {(one.model_name, one.generation) for one in memory.quarantines if one.lift is None}
    for one, announcement in zip(begun, announcements, strict=True):
        if (one.model_name, one.generation) not in active:
            memory.quarantines.append(one)
            memory.announce(announcement)
