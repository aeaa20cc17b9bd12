"""The run store: a row for each request, moved on by the holder of its lease."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy.sql.base import Executable

from domain.announcement import Announcement
from domain.errors import LeaseLost
from domain.ledger import LedgerEntry
from domain.lifecycle import ENDS, Outcome
from domain.lifecycle import advance as next_state
from domain.ports.run_store import Added
from domain.request import ReceivedRequest
from domain.run import Failure, Run
from domain.run_record import WAITS, PastWaits
from service.adapters.postgres import run_statements as statements
from service.adapters.postgres.database import Database
from service.adapters.postgres.ledger_rows import entry_parameters
from service.adapters.postgres.outbox_rows import announcement_parameters, refuse_promotions
from service.adapters.postgres.rows import dump_json, dump_sorted_json
from service.adapters.postgres.run_reads import NO_OUTPUTS, PostgresRunReads, digest_of, failure_text, run_of

_OPEN_RUN: Final = "open_run"
_NOTHING: Final[Mapping[str, object]] = {}
_LONG_SECONDS: Final = 3600.0
_SHORTEST_NAP: Final = 0.05  # seconds; for a run that is due but was just claimed by another worker


class PostgresRunStore(PostgresRunReads):
    """`domain.ports.run_store.RunStore`; for any number of runners in one process.

    A call that finds nothing to change looks whether it had its effect before: the answer to an earlier try,
    in this call or in one that ended in TryLater, may have been lost.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database
        self._seen_rings = -1  # of the bell for work, before the newest claim that came back empty

    async def add(self, request: ReceivedRequest) -> Added:
        """Store a request unless its identity is there already, and wake a runner."""
        row = _new_row(request)
        if await self._database.rows("store a request", statements.ADD, row):
            return Added.NEW
        identity = {"digest": row["identity_digest"], "model": request.model_name}
        found = (await self._database.rows("look a request up", statements.BY_IDENTITY, identity))[0]
        if found["run_id"] == row["run_id"]:
            return Added.NEW
        return Added.KNOWN if found["payload"] == row["payload"] else Added.CONFLICT

    async def claim(self, model_name: str, worker: str, lease_seconds: float) -> Run | None:
        """Take the oldest runnable run, with a fence of its own."""
        rings = self._database.work.rings
        claim = {"model": model_name, "worker": worker, "claim": str(uuid.uuid4())}
        parameters = {**claim, **statements.lease(lease_seconds), **NO_OUTPUTS}
        row = await self._database.row(
            "claim a run", statements.CLAIM, parameters, unless_found=statements.CLAIMED
        )
        if row is None:
            self._seen_rings = max(self._seen_rings, rings)
        return None if row is None else run_of(row)

    async def renew(self, run: Run, lease_seconds: float) -> None:
        """Prolong the lease from now on by the database's clock."""
        parameters = {**statements.held(run), **statements.lease(lease_seconds)}
        if not await self._database.rows("renew a lease", statements.RENEW, parameters):
            raise _lease_lost(run)

    async def release(self, run: Run) -> None:
        """Give the lease back and wake another runner."""
        await self._database.rows("release a run", statements.RELEASE, statements.held(run))

    async def release_all(self, worker: str) -> int:
        """Give back every lease of an earlier life of this worker."""
        owned = await self._database.rows("read leases", statements.OWNED, {"worker": worker})
        await self._database.rows("release all runs", statements.RELEASE_ALL, {"worker": worker})
        return len(owned)

    async def begin(self, run: Run) -> Run:
        """Count a start of the next step: once for `run` as it is, so go on with the run that is returned."""
        attempts = {"seen_attempts": run.attempts}
        return await self._changed(run, "count an attempt", statements.BEGIN, statements.BEGUN, attempts)

    async def keep(self, run: Run, name: str, output: Mapping[str, object]) -> Run:
        """Keep an output; of two MLflow runs the first stays, and the returned run has it."""
        parameters: dict[str, object] = {"kept_name": name, "kept": dump_json(output)}
        statement = statements.KEEP
        if name == _OPEN_RUN:
            statement = statements.KEEP_OPENED_RUN
            parameters["opened"] = output["mlflow_run_id"]
        return await self._changed(
            run, f"keep {name}", statement, statements.HELD_NOW, parameters, {name: dict(output)}
        )

    async def advance(
        self,
        run: Run,
        outcome: Outcome,
        *,
        output: Mapping[str, object] | None = None,
        announcements: Sequence[Announcement] = (),
        entry: LedgerEntry | None = None,
        failure: Failure | None = None,
        waits: PastWaits | None = None,
    ) -> Run:
        """Commit a transition with all that belongs to it, in one statement."""
        refuse_promotions(announcements)
        to_state, step = next_state(run.state, outcome), run.next_step.value
        statement = statements.advance(
            ends=to_state in ENDS,
            keeps=output is not None,
            announces=bool(announcements),
            enters=entry is not None,
            waited=waits is not None,
        )
        told = None if waits is None else waits.model_dump(mode="json")
        parameters = {
            "to_state": to_state.value,
            "outcome": outcome.value,
            "failed": failure_text(failure),
            **({} if output is None else {"kept_name": step, "kept": dump_json(output)}),
            **(announcement_parameters(announcements) if announcements else {}),
            **({} if entry is None else entry_parameters(entry)),
            **({} if told is None else {"waits_name": WAITS, "waits": dump_json(told)}),
        }
        doing = f"move a run from {run.state} to {to_state}"
        added = {} if output is None else {step: dict(output)}
        added |= {} if told is None else {WAITS: told}
        return await self._changed(run, doing, statement, statements.ADVANCED, parameters, added)

    async def cancel(self, run: Run, failure: Failure, announcements: Sequence[Announcement]) -> Run:
        """Commit the end with all that belongs to it, in one statement."""
        refuse_promotions(announcements)
        parameters = {
            "to_state": next_state(run.state, Outcome.CANCELLED).value,
            "outcome": Outcome.CANCELLED.value,
            "failed": failure_text(failure),
            **announcement_parameters(announcements),
        }
        doing = f"cancel a run in {run.state}"
        return await self._changed(run, doing, statements.CANCEL, statements.CANCELLED, parameters)

    async def wait_for_cancelling(self, seen: int | None) -> int:
        """Return when it rang beyond what was seen."""
        bell = self._database.cancelled
        before = bell.rings if seen is None else seen
        while bell.rings <= before:
            await bell.beyond(before, _LONG_SECONDS)
        return bell.rings

    async def postpone(self, run: Run, seconds: float, failure: Failure, *, waiting_on: str | None) -> None:
        """Let the run wait by the database's clock, and give the lease back."""
        parameters = {
            **statements.held(run),
            "pause": timedelta(seconds=seconds),
            "failed": failure_text(failure),
            "service": waiting_on,
        }
        for statement in (statements.POSTPONE, statements.POSTPONED):
            if await self._database.rows("postpone a run", statement, parameters):
                return
        raise _lease_lost(run)

    async def note_waiting(self, run: Run, failure: Failure | None, *, waiting_on: str | None) -> None:
        """Show in the row that its holder waits, or that the waiting is over."""
        parameters = {**statements.held(run), "failed": failure_text(failure), "service": waiting_on}
        if not await self._database.rows("note a wait", statements.NOTE_WAITING, parameters):
            raise _lease_lost(run)

    async def wait_for_work(self, timeout_seconds: float) -> None:
        """Return when it rang since a claim came back empty, when a run comes due, or at the time's end."""
        row = await self._database.row("look when runs come due", statements.NEXT_DUE)
        due = row["seconds"] if row is not None and row["seconds"] is not None else timeout_seconds
        nap = min(timeout_seconds, max(due, _SHORTEST_NAP))
        await self._database.work.beyond(self._seen_rings, nap)

    async def ended_without(self, model_name: str, job: str, limit: int) -> Sequence[Run]:
        """Read ended runs whose chore is not done, oldest first."""
        query = statements.ended_without(job)
        wanted = {"model": model_name, "at_most": limit, **NO_OUTPUTS}
        return [run_of(row) for row in await self._database.rows("look for chores", query, wanted)]

    async def job_done(self, run_id: str, job: str) -> None:
        """Record that a chore is done."""
        await self._database.rows("note a chore", statements.job_done(job), {"run": run_id})

    async def recorded_as(self, run_id: str, mlflow_run_id: str) -> None:
        """Note the MLflow run of an ended run that has none."""
        parameters = {"run": run_id, "opened": mlflow_run_id}
        await self._database.rows("note a record", statements.RECORDED_AS, parameters)

    async def _changed(
        self,
        run: Run,
        doing: str,
        change: Executable,
        changed_before: Executable,
        parameters: Mapping[str, object],
        added: Mapping[str, object] = _NOTHING,
    ) -> Run:
        """Change a run, or find it changed by an earlier try; raises LeaseLost if neither."""
        known = {name: output for name, output in run.outputs.items() if name not in added}
        everything = {**statements.held(run), **parameters, "known": list(known)}
        if (row := await self._database.row(doing, change, everything)) is not None:
            changed = run_of(row, known, added)
            self._database.clock.read(changed.updated_at)
            return changed
        if (row := await self._database.row(doing, changed_before, everything)) is not None:
            return run_of(row, known)
        raise _lease_lost(run)


def _new_row(request: ReceivedRequest) -> dict[str, object]:
    return {
        "run_id": str(uuid.uuid4()),
        "model_name": request.model_name,
        "identity": request.identity,
        "identity_digest": digest_of(request.identity),
        "payload": dump_sorted_json(request.payload),
        "correlation_id": request.correlation_id,
        "causation_id": request.causation_id,
        "coordinates": None if request.coordinates is None else str(request.coordinates),
    }


def _lease_lost(run: Run) -> LeaseLost:
    return LeaseLost(
        "lease_lost",
        f"run {run.run_id} is no longer held by claim {run.fence}, or not in {run.state}",
        run_id=run.run_id,
        fence=run.fence,
    )
