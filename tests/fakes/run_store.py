"""The port `RunStore` in memory."""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.announcement import Announcement
from domain.errors import LeaseLost
from domain.ledger import LedgerEntry
from domain.lifecycle import Outcome, State
from domain.lifecycle import advance as next_state
from domain.ports.run_store import Added
from domain.request import ReceivedRequest
from domain.run import Failure, Run, TransitionRecord
from domain.run_record import WAITS, PastWaits
from tests.fakes.memory import Memory, RunRow
from tests.fakes.outbox import refuse_promotions
from tests.fakes.promotion_ledger import FakePromotionLedger


class FakeRunStore:
    """Refuses what the real one refuses; leases live by the memory's clock."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self._seen = -1

    async def add(self, request: ReceivedRequest) -> Added:
        for row in self.memory.runs.values():
            if (row.run.identity, row.run.model_name) == (request.identity, request.model_name):
                return Added.KNOWN if row.run.payload == request.payload else Added.CONFLICT
        run = _new_run(request, self.memory.now())
        self.memory.runs[run.run_id] = RunRow(run)
        self.memory.work.ring()
        return Added.NEW

    async def claim(self, model_name: str, worker: str, lease_seconds: float) -> Run | None:
        now, rings = self.memory.now(), self.memory.work.rings
        for row in self.memory.runs.values():
            due = all(at is None or at <= now for at in (row.lease_until, row.not_before))
            if row.run.model_name == model_name and not row.run.ended and due:
                row.lease_until = now + timedelta(seconds=lease_seconds)
                return self._update(row, fence=row.run.fence + 1, owner=worker)
        self._seen = max(self._seen, rings)
        return None

    async def renew(self, run: Run, lease_seconds: float) -> None:
        self._held(run).lease_until = self.memory.now() + timedelta(seconds=lease_seconds)

    async def release(self, run: Run) -> None:
        row = self.memory.runs[run.run_id]
        if row.run.owner is not None and (row.run.fence, row.run.owner) == (run.fence, run.owner):
            self._update(row, attempts=max(row.run.attempts - 1, 0))
            self._free(row)

    async def release_all(self, worker: str) -> int:
        owned = [row for row in self.memory.runs.values() if row.run.owner == worker and not row.run.ended]
        for row in owned:
            self._free(row)
        return len(owned)

    async def begin(self, run: Run) -> Run:
        row = self._held_in_state(run)
        if row.run.attempts == run.attempts:
            self._update(row, attempts=run.attempts + 1, updated_at=self.memory.now())
        if row.run.attempts != run.attempts + 1:
            raise _lease_lost(run)
        return _apart(row.run)

    async def keep(self, run: Run, name: str, output: Mapping[str, Any]) -> Run:
        row = self._held(run)
        opened = output["mlflow_run_id"] if name == "open_run" else None
        if opened is not None and row.run.mlflow_run_id not in {None, opened}:
            return _apart(row.run)
        mlflow_run_id = opened or row.run.mlflow_run_id
        outputs = {**row.run.outputs, name: _stored(output)}
        return self._update(row, outputs=outputs, mlflow_run_id=mlflow_run_id, updated_at=self.memory.now())

    async def advance(
        self,
        run: Run,
        outcome: Outcome,
        *,
        output: Mapping[str, Any] | None = None,
        announcements: Sequence[Announcement] = (),
        entry: LedgerEntry | None = None,
        failure: Failure | None = None,
        waits: PastWaits | None = None,
    ) -> Run:
        refuse_promotions(announcements)
        to_state = next_state(run.state, outcome)
        if self._advanced_before(run, to_state):
            return _apart(self.memory.runs[run.run_id].run)
        row = self._held_in_state(run)
        if entry is not None:
            FakePromotionLedger(self.memory).check(entry)
            self.memory.ledger.append(entry)
        self._move(row, to_state, outcome, output, failure)
        if waits is not None:
            self._update(row, outputs={**row.run.outputs, WAITS: waits.model_dump(mode="json")})
        for announcement in announcements:
            self.memory.announce(announcement, run.run_id)
        return _apart(row.run)

    async def cancel(self, run: Run, failure: Failure, announcements: Sequence[Announcement]) -> Run:
        to_state = next_state(run.state, Outcome.CANCELLED)
        row = self.memory.runs[run.run_id]
        mine = (run.state, run.fence + 1, Outcome.CANCELLED.value)
        if mine in {(one.from_state, one.fence, one.outcome) for one in row.history}:
            return _apart(row.run)
        if (row.run.state, row.run.fence) != (run.state, run.fence):
            raise _lease_lost(run)
        self._update(row, fence=run.fence + 1)
        self._move(row, to_state, Outcome.CANCELLED, None, failure)
        for announcement in announcements:
            self.memory.announce(announcement, run.run_id)
        self.memory.cancelled.ring()
        return _apart(row.run)

    async def wait_for_cancelling(self, seen: int | None) -> int:
        bell = self.memory.cancelled
        before = bell.rings if seen is None else seen
        while bell.rings <= before:
            await bell.beyond(before, 3600)
        return bell.rings

    async def postpone(self, run: Run, seconds: float, failure: Failure, *, waiting_on: str | None) -> None:
        if self._postponed_before(run, failure):
            return
        row = self._held_in_state(run)
        waits = waiting_on is not None
        row.not_before = self.memory.now() + timedelta(seconds=seconds)
        self._update(
            row,
            failure=failure,
            attempts=max(row.run.attempts - 1, 0) if waits else row.run.attempts,
            waiting_on=waiting_on,
            waiting_since=(row.run.waiting_since or self.memory.now()) if waits else row.run.waiting_since,
            updated_at=self.memory.now(),
        )
        self._free(row)

    async def note_waiting(self, run: Run, failure: Failure | None, *, waiting_on: str | None) -> None:
        row = self._held(run)
        since = (row.run.waiting_since or self.memory.now()) if waiting_on is not None else None
        self._update(
            row, failure=failure, waiting_on=waiting_on, waiting_since=since, updated_at=self.memory.now()
        )

    async def get(self, run_id: str) -> Run | None:
        row = self.memory.runs.get(run_id)
        return None if row is None else _apart(row.run)

    async def find(self, text: str) -> Sequence[Run]:
        return [run for run in self._newest_first() if text and text in {run.identity, run.mlflow_run_id}]

    async def search(self, text: str) -> Sequence[Run]:
        def matches(run: Run) -> bool:
            ids = (run.run_id, run.causation_id, run.correlation_id, run.mlflow_run_id)
            return bool(text) and (
                text == run.identity or any(known and known.startswith(text) for known in ids)
            )

        return [run for run in self._newest_first() if matches(run)]

    async def recent(
        self, model_name: str, limit: int, states: Sequence[State] = (), *, unfinished: bool = False
    ) -> Sequence[Run]:
        def wanted(run: Run) -> bool:
            in_states = not states or run.state in states
            return run.model_name == model_name and in_states and not (unfinished and run.ended)

        return [run for run in self._newest_first() if wanted(run)][:limit]

    async def recorded_as(self, run_id: str, mlflow_run_id: str) -> None:
        row = self.memory.runs[run_id]
        if row.run.ended and row.run.mlflow_run_id is None:
            self._update(row, mlflow_run_id=mlflow_run_id)

    async def history(self, run_id: str) -> Sequence[TransitionRecord]:
        row = self.memory.runs.get(run_id)
        return [] if row is None else list(row.history)

    async def wait_for_work(self, timeout_seconds: float) -> None:
        now = self.memory.now()
        dues = [
            max(at for at in (row.lease_until, row.not_before) if at is not None)
            for row in self.memory.runs.values()
            if not row.run.ended and (row.lease_until or row.not_before)
        ]
        future = [(due - now).total_seconds() for due in dues if due > now - timedelta(seconds=1)]
        nap = min([timeout_seconds, *(max(seconds, 0.05) for seconds in future)])
        await self.memory.work.beyond(self._seen, nap)

    async def ended_without(self, model_name: str, job: str, limit: int) -> Sequence[Run]:
        ended = [row for row in self.memory.runs.values() if row.run.ended and job not in row.chores_done]
        return [_apart(row.run) for row in ended if row.run.model_name == model_name][:limit]

    async def job_done(self, run_id: str, job: str) -> None:
        self.memory.runs[run_id].chores_done.add(job)

    def _held(self, run: Run) -> RunRow:
        row = self.memory.runs[run.run_id]
        ours = row.run.owner is not None and (row.run.fence, row.run.owner) == (run.fence, run.owner)
        if not ours or row.lease_until is None or row.lease_until <= self.memory.now():
            raise _lease_lost(run)
        return row

    def _held_in_state(self, run: Run) -> RunRow:
        row = self._held(run)
        if row.run.state is not run.state:
            raise _lease_lost(run)
        return row

    def _move(
        self,
        row: RunRow,
        to_state: State,
        outcome: Outcome,
        output: Mapping[str, Any] | None,
        failure: Failure | None,
    ) -> None:
        now, run = self.memory.now(), row.run
        record = TransitionRecord(
            run_id=run.run_id,
            seq=len(row.history) + 1,
            from_state=run.state,
            to_state=to_state,
            outcome=outcome.value,
            fence=run.fence,
            at=now,
        )
        row.history.append(record)
        row.not_before = None
        kept = {} if output is None else {run.next_step.value: _stored(output)}
        waiting = {"waiting_on": None, "waiting_since": None}
        changes = {"state": to_state, "attempts": 0, "failure": failure, "updated_at": now, **waiting}
        self._update(row, outputs={**run.outputs, **kept}, **changes)
        if row.run.ended:
            row.lease_until = None
            self._update(row, owner=None)

    def _advanced_before(self, run: Run, to_state: State) -> bool:
        row = self.memory.runs[run.run_id]
        step = (run.state, to_state, run.fence)
        steps = {(record.from_state, record.to_state, record.fence) for record in row.history}
        return step in steps and row.run.fence == run.fence

    def _postponed_before(self, run: Run, failure: Failure) -> bool:
        now = self.memory.runs[run.run_id].run
        free = (now.owner, now.fence, now.state) == (None, run.fence, run.state)
        return free and now.failure == failure

    def _free(self, row: RunRow) -> None:
        row.lease_until = None
        self._update(row, owner=None)
        self.memory.work.ring()

    def _update(self, row: RunRow, **changes: Any) -> Run:
        row.run = row.run.model_copy(update=changes)
        return _apart(row.run)

    def _newest_first(self) -> list[Run]:
        return [_apart(row.run) for row in reversed(self.memory.runs.values())]


def _apart(run: Run) -> Run:
    """A copy that shares nothing which a caller could change."""
    kept = {"payload": _stored(run.payload), "outputs": _stored(run.outputs)}
    return run.model_copy(update=kept)


def _stored(value: Mapping[str, Any]) -> dict[str, Any]:
    """As the real store gives it back, which keeps JSON as text."""
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


def _new_run(request: ReceivedRequest, now: datetime) -> Run:
    return Run(
        run_id=str(uuid.uuid4()),
        model_name=request.model_name,
        identity=request.identity,
        payload=_stored(request.payload),
        correlation_id=request.correlation_id,
        causation_id=request.causation_id,
        state=State.REQUESTED,
        fence=0,
        owner=None,
        attempts=0,
        mlflow_run_id=None,
        outputs={},
        failure=None,
        waiting_on=None,
        waiting_since=None,
        requested_at=now,
        updated_at=now,
    )


def _lease_lost(run: Run) -> LeaseLost:
    return LeaseLost("lease_lost", "not held by this claim any more", run_id=run.run_id, fence=run.fence)
