"""The ports `Heartbeats` and `Workers` in memory."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from domain.ports.workers import WORKER, HeardProcess, Hold, Process, Waiting
from tests.fakes.memory import Memory, RunRow

_KEPT = timedelta(days=1)


class FakeHeartbeats:
    """Keeps when each process was heard."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def beat(self, process: Process, *, begins: bool) -> None:
        now, rows = self._memory.now(), self._memory.heartbeats
        for key, (known, _, at) in list(rows.items()):
            same = (known.role, known.name) == (process.role, process.name)
            if key != process.process_id and (at < now - _KEPT or (begins and same)):
                del rows[key]
        started = rows[process.process_id][1] if process.process_id in rows else now
        rows[process.process_id] = (process, started, now)

    async def leave(self, process: Process) -> None:
        self._memory.heartbeats.pop(process.process_id, None)


class FakeWorkers:
    """Reads the same memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def heard(self) -> Sequence[HeardProcess]:
        now = self._memory.now()
        rows = [row for row in self._memory.heartbeats.values() if row[2] >= now - _KEPT]
        rows.sort(key=lambda row: (row[0].model_name, row[0].role, row[0].name, row[1]))
        return [self._heard(process, started, at) for process, started, at in rows]

    async def waiting(self, model_name: str) -> Waiting:
        now = self._memory.now()
        rows = [row for row in self._unfinished() if row.run.model_name == model_name]
        held = [row for row in rows if _is_held(row, now)]
        put_off = [row for row in rows if row not in held and row.not_before and row.not_before > now]
        unclaimed = [row for row in rows if row not in held and row not in put_off]
        return Waiting(
            unclaimed=len(unclaimed),
            held=len(held),
            put_off=len(put_off),
            oldest_seconds=_oldest(now, rows),
            oldest_unclaimed_seconds=_oldest(now, unclaimed),
            holders=tuple(sorted({str(row.run.owner) for row in held})),
        )

    async def hold(self, run_id: str) -> Hold | None:
        row, now = self._memory.runs.get(run_id), self._memory.now()
        if row is None:
            return None
        left = (row.lease_until - now).total_seconds() if row.lease_until else 0.0
        return Hold(
            owner=row.run.owner,
            lease_until=row.lease_until,
            lease_seconds=max(left, 0.0),
            not_before=row.not_before,
        )

    def _heard(self, process: Process, started: datetime, at: datetime) -> HeardProcess:
        own = [
            row.run.run_id
            for row in self._unfinished()
            if (row.run.owner, row.run.model_name) == (process.name, process.model_name)
        ]
        return HeardProcess(
            **process.model_dump(),
            started_at=started,
            heard_at=at,
            silent_seconds=(self._memory.now() - at).total_seconds(),
            runs=tuple(own) if process.role == WORKER else (),
        )

    def _unfinished(self) -> list[RunRow]:
        return [row for row in self._memory.runs.values() if not row.run.ended]


def _is_held(row: RunRow, now: datetime) -> bool:
    return row.run.owner is not None and row.lease_until is not None and row.lease_until > now


def _oldest(now: datetime, rows: list[RunRow]) -> float:
    return max([0.0, *((now - row.run.requested_at).total_seconds() for row in rows)])
