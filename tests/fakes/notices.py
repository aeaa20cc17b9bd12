"""The port `Notices` in memory."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.ports.notices import Claimed, NoticeClaim
from tests.fakes.memory import Memory


@dataclass
class NoticeRow:
    """Who told one channel of one event, and how it ended; no claim: released."""

    claim_id: str | None
    begun_at: datetime
    tries: int = 1
    end: str = ""


class FakeNotices:
    """Rows in the memory that several processes share."""

    def __init__(self, memory: Memory | None = None, model_name: str = "price") -> None:
        self.memory = memory or Memory()
        self._model = model_name

    async def claim(self, claim: NoticeClaim, held_seconds: float) -> Claimed:
        row = self.memory.notices.get(self._key(claim))
        if row is None or (row.claim_id is None and not row.end):
            tries = row.tries + 1 if row else 1
            self.memory.notices[self._key(claim)] = NoticeRow(claim.claim_id, self.memory.now(), tries)
            return Claimed.MINE
        if row.end:
            return Claimed.DONE
        if self.memory.now() - row.begun_at < timedelta(seconds=held_seconds):
            return Claimed.IN_HAND
        row.end = "given up"
        return Claimed.UNCLEAR

    async def again(self, claim: NoticeClaim) -> bool:
        row = self._mine(claim)
        if row is not None:
            row.tries += 1
            row.begun_at = self.memory.now()
        return row is not None

    async def sent(self, claim: NoticeClaim) -> None:
        self._end(claim, "sent")

    async def given_up(self, claim: NoticeClaim) -> None:
        self._end(claim, "given up")

    async def release(self, claim: NoticeClaim) -> None:
        row = self._mine(claim)
        if row is not None:
            row.claim_id = None

    def _end(self, claim: NoticeClaim, end: str) -> None:
        row = self._mine(claim)
        if row is not None:
            row.end = end

    def _mine(self, claim: NoticeClaim) -> NoticeRow | None:
        row = self.memory.notices.get(self._key(claim))
        return row if row and not row.end and row.claim_id == claim.claim_id else None

    def _key(self, claim: NoticeClaim) -> tuple[str, str, str]:
        return (self._model, claim.event_id, claim.channel)
