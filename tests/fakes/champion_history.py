"""The ports `ChampionHistory` and `ChampionLosses` in memory."""

from collections.abc import Sequence
from datetime import datetime

from domain.announcement import Announcement, Loss
from domain.events import InferenceDiverged, InferenceReloaded
from domain.history import Reign
from tests.fakes.memory import KeptLoss, Memory, OutboxEntry
from tests.kit.reigns import reigning_at, reigns_of


class FakeChampionHistory:
    """Reads the whole ledger each time."""

    def __init__(self, memory: Memory, model_name: str) -> None:
        self._memory = memory
        self._model = model_name

    async def page(
        self, limit: int, *, before: int | None = None, since: datetime | None = None
    ) -> Sequence[Reign]:
        reigns = self._reigns()
        first = reigning_at(reigns, since) if since else None
        lowest = first.entry.generation if first else 0
        found = [
            reign
            for reign in reversed(reigns)
            if reign.entry.generation >= lowest and (before is None or reign.entry.generation < before)
        ]
        return found[:limit]

    async def at(self, moment: datetime) -> Reign | None:
        return reigning_at(self._reigns(), moment)

    async def generation(self, number: int) -> Reign | None:
        return next((reign for reign in self._reigns() if reign.entry.generation == number), None)

    async def of_version(self, version: int) -> Sequence[Reign]:
        return [reign for reign in reversed(self._reigns()) if reign.entry.version == version][:20]

    async def shown_at(self, generation: int) -> datetime | None:
        rows = (row for row in self._outbox() if row.generation == generation)
        return next((row.created_at for row in rows), None)

    async def replicas(self, generation: int) -> Sequence[InferenceReloaded | InferenceDiverged]:
        kinds = {kind.topic: kind for kind in (InferenceReloaded, InferenceDiverged)}
        told = [row.announcement for row in self._outbox() if row.announcement.topic in kinds]
        events = [kinds[one.topic].model_validate_json(one.body) for one in told]
        return [event for event in events if event.generation == generation][:100]

    async def losses(self, generation: int) -> Sequence[datetime]:
        return [loss.noticed_at for loss in self._memory.losses.get((self._model, generation), [])]

    async def accepted_at(self, request_id: str) -> datetime | None:
        return self._memory.accepted.get((self._model, request_id))

    def _outbox(self) -> list[OutboxEntry]:
        return [row for row in self._memory.outbox if row.announcement.key == self._model]

    def _reigns(self) -> list[Reign]:
        whole = reigns_of([entry for entry in self._memory.ledger if entry.model_name == self._model])
        return [reign.model_copy(update={"requested_by": self._asker(reign)}) for reign in whole]

    def _asker(self, reign: Reign) -> str | None:
        row = self._memory.runs.get(reign.entry.run_id or "")
        who = row.run.payload.get("requested_by") if row else None
        return who if isinstance(who, str) else None


class FakeChampionLosses:
    """Keeps them in the order in which they were noticed."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def noticed(self, model_name: str, generation: int) -> Loss:
        known = self._memory.losses.setdefault((model_name, generation), [])
        if not known or known[-1].ended:
            known.append(KeptLoss(self._memory.now()))
        return Loss(len(known), known[-1].noticed_at)

    async def announce(self, announcement: Announcement) -> None:
        self._memory.announce(announcement)

    async def ended(self, model_name: str, generation: int) -> None:
        for loss in self._memory.losses.get((model_name, generation), []):
            loss.ended = True
