"""Broken workers, each with one part overridden: what the cases must catch."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from domain.announcement import Announcement
from domain.errors import GenerationTaken, LaurelError, TryLater
from domain.ledger import LedgerEntry, next_entry
from domain.lifecycle import Outcome
from domain.models import OpenedRun, RegisteredModel
from domain.points import Point, Points
from domain.ports.messages import OutboxRow
from domain.ports.run_store import Added
from domain.record import Record
from domain.request import ReceivedRequest
from domain.run import Run
from handlers.handled import Handled
from handlers.training_requested import on_training_requested
from service.adapters.files.atomic import AtomicFiles, Draft
from service.adapters.mlflow.experiment_tracker import MlflowExperimentTracker
from service.adapters.mlflow.model_registry import MlflowModelRegistry
from service.adapters.postgres.database import Database
from service.adapters.postgres.outbox import PostgresOutbox
from service.adapters.postgres.promotion_ledger import PostgresPromotionLedger
from service.adapters.postgres.run_store import PostgresRunStore
from service.lifecycle.root import Makers
from service.messaging.relay import OutboxRelay
from tests.model_checking.broken_protocols import ProjectsItsOwn

_A_MOMENT: Final = 0.3


async def commit_first(record: Record, **ports: Any) -> Handled:
    """Say that the record is handled, which commits it, and store it then."""
    asyncio.get_running_loop().call_later(
        _A_MOMENT, lambda: asyncio.ensure_future(on_training_requested(record, **ports))
    )
    return Handled(outcome="stored")


class WritesInPlace(AtomicFiles):
    """Writes over the file itself, on a slow disk."""

    @contextmanager
    def draft(self, path: Path, owner: str = "") -> Iterator[Draft]:
        with super().draft(path, owner) as draft:
            real = draft.replace

            def in_place() -> None:
                data = draft.temporary.read_bytes()
                for part in (data[: len(data) // 2], data):
                    path.write_bytes(part)
                    time.sleep(_A_MOMENT)
                real()

            draft.replace = in_place  # type: ignore[method-assign] # the mutation
            yield draft


class NeverReadsBack(MlflowExperimentTracker):
    """Sees none of the runs that it made before."""

    async def _runs_tagged(self, experiment_id: str, run_id: str) -> list[OpenedRun]:
        del experiment_id, run_id
        return []


class IgnoresTheLease(PostgresRunStore):
    """Writes what it knows, whoever holds the row now."""

    async def advance(self, run: Run, outcome: Outcome, **facts: Any) -> Run:
        # Its own clock tells it as well that the lease is over, and cancels what it waits for.
        return await asyncio.shield(asyncio.create_task(self._take_back_and_advance(run, outcome, **facts)))

    async def _take_back_and_advance(self, run: Run, outcome: Outcome, **facts: Any) -> Run:
        back = text("UPDATE laurel.runs SET state = :state, fence = :fence WHERE run_id = :run")
        known = {"state": run.state.value, "fence": run.fence, "run": run.run_id}
        await self._database.rows("take the row back", back, known)
        return await super().advance(run, outcome, **facts)

    async def renew(self, run: Run, lease_seconds: float) -> None:
        del run, lease_seconds


class AnnouncesApart(PostgresRunStore):
    """Commits a state, and its announcement in another transaction."""

    def __init__(self, database: Database, points: Points) -> None:
        super().__init__(database)
        self._points = points

    async def advance(
        self, run: Run, outcome: Outcome, *, announcements: Sequence[Announcement] = (), **facts: Any
    ) -> Run:
        after = await super().advance(run, outcome, **facts)
        if announcements:
            await self._points.at(Point.VERSION_AFTER_COMMIT)
        for announcement in announcements:
            await PostgresOutbox(self._database, run.model_name).add(announcement)
        return after


class ErrorsMeanNoChampion(MlflowModelRegistry):
    """Takes an error for "there is no alias"."""

    async def registered(self, model_name: str) -> RegisteredModel | None:
        try:
            return await super().registered(model_name)
        except LaurelError:
            return None


class _SaysOnce(Database):
    """Says a statement once, and takes a lost answer for a failure."""

    def __init__(self, database: Database) -> None:
        self.__dict__.update(database.__dict__)

    async def _insist(self, statement: Any, parameters: Any, unless_found: Any) -> Any:
        del unless_found
        try:
            return await self._once(statement, parameters)
        except DBAPIError as error:
            raise TryLater("postgres_unavailable", "no answer", waiting_on="postgres") from error


class DoesItAgain(PostgresRunStore):
    """Takes an unclear commit for a failed one, and does it anew."""

    def __init__(self, database: Database) -> None:
        super().__init__(_SaysOnce(database))

    async def add(self, request: ReceivedRequest) -> Added:
        while True:
            try:
                return await super().add(
                    request.model_copy(update={"identity": f"{request.identity} {uuid4()}"})
                )
            except TryLater:
                continue


class MarksFirst(OutboxRelay):
    """Marks a row as sent, and sends it then."""

    async def _send_row(self, row: OutboxRow) -> None:
        await self._outbox.mark_sent([row.seq])
        await super()._send_row(row)


class KeepsTheVerdict(PostgresRunStore):
    """When another was first, inserts behind it with the old verdict."""

    async def advance(
        self, run: Run, outcome: Outcome, *, entry: LedgerEntry | None = None, **facts: Any
    ) -> Run:
        try:
            return await super().advance(run, outcome, entry=entry, **facts)
        except GenerationTaken:
            assert entry is not None
            head = await PostgresPromotionLedger(self._database).head(run.model_name)
            again = next_entry(run.model_name, head, **_verdict_of(entry))
            return await super().advance(run, outcome, entry=again, **facts)


def _verdict_of(entry: LedgerEntry) -> dict[str, Any]:
    places = {"model_name", "generation", "previous_hash", "previous_version", "model_uri"}
    return {name: value for name, value in dict(entry).items() if name not in places}


Breaks = Callable[[Makers, Points], Makers]


def _with(name: str, part: Any) -> Breaks:
    return lambda makers, _: replace(makers, **{name: part})


MUTANTS: Final[Mapping[str, Breaks]] = {
    "1 commits before it stores": _with("handle", commit_first),
    "2 projects its own version": _with("projector", ProjectsItsOwn),
    "3 writes files in place": _with("files", WritesInPlace),
    "4 never reads back": _with("tracker", NeverReadsBack),
    "5 ignores the lease": _with("run_store", IgnoresTheLease),
    "6 announces in another transaction": lambda makers, points: replace(
        makers, run_store=partial(AnnouncesApart, points=points)
    ),
    "7 errors mean no champion": _with("registry", ErrorsMeanNoChampion),
    "8 does it again": _with("run_store", DoesItAgain),
    "9 marks before it sends": _with("relay", MarksFirst),
    "10 keeps the verdict": _with("run_store", KeepsTheVerdict),
}
