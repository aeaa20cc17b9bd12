"""What is done for runs after their end, when the worker has nothing else to do.

Also what old runs and crashes leave on disk, and when it may go.
"""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from domain.errors import LaurelError, Stop, TryLater
from domain.ports.clock import Clock
from domain.ports.experiment_tracker import ExperimentTracker
from domain.ports.model_registry import ModelRegistry
from domain.ports.pruning import Pruning
from domain.ports.run_store import RunStore
from domain.run import Run
from domain.run_record import present
from service.adapters.files.atomic import sweep
from service.adapters.files.data_layout import DataLayout
from service.adapters.files.split_parts import SPLIT, remove_own_parts
from service.lifecycle.evaluation_files import Draw, EvaluationFiles
from service.runtime.metrics import Metrics
from service.runtime.provenance import Provenance

log = structlog.get_logger()

_MANY = 1000  # ended runs whose chores are looked up; their folders stay in any case


@dataclass(eq=False)
class RowRetention:
    """Prunes old rows of the run store, at most once in `every_seconds`; nobody waits for it."""

    pruning: Pruning
    clock: Clock
    events: timedelta
    outputs: timedelta
    every_seconds: float = 3600.0
    _looked_at: datetime | None = field(default=None, init=False)

    async def look(self) -> None:
        """Prune, unless that was done a moment ago. Safe to repeat, and beside other workers."""
        now = self.clock.now()
        if self._looked_at is not None and (now - self._looked_at).total_seconds() < self.every_seconds:
            return
        self._looked_at = now
        try:
            gone = await self.pruning.events(self.events) + await self.pruning.outputs(self.outputs)
        except Stop as error:  # no right to delete: nothing else that the worker does needs it
            log.warning("rows_not_pruned", reason=error.reason, message=error.message)
            return
        if gone.rows:
            log.info("rows_pruned", runs=gone.runs, rows=gone.rows, bytes=gone.bytes)


@dataclass(frozen=True)
class Retention:
    """Keeps the folders of the newest ended runs, and of every run that still needs its own.

    The files that were split go sooner, of all but the newest `keep_parts`: DVC has them. `jobs` are what
    must be done before anything may go. A temporary file below `roots` is abandoned when nobody has written
    to it for `abandoned_seconds`.
    """

    model_name: str
    store: RunStore
    places: DataLayout
    keep: int
    keep_parts: int
    jobs: Sequence[str]
    roots: Sequence[Path]
    abandoned_seconds: float
    rows: RowRetention | None = None  # where somebody else prunes

    async def look(self) -> None:
        """Remove what may go. Safe to repeat, and beside other workers."""
        if self.rows is not None:
            await self.rows.look()
        for root in self.roots:
            swept = await asyncio.to_thread(sweep, root, older_than_seconds=self.abandoned_seconds)
            if swept:
                log.info("temporary_files_swept", files=len(swept), folder=str(root))
        for run in await self._removable("", self.keep):
            await asyncio.to_thread(shutil.rmtree, self.places.run(run.run_id), ignore_errors=True)
            log.info("run_folder_removed", run=run.run_id)
        for run in await self._removable(SPLIT, self.keep_parts):
            if run.record.versioned is not None:
                await asyncio.to_thread(remove_own_parts, self.places.run(run.run_id))
                log.info("run_parts_removed", run=run.run_id)

    async def _removable(self, inner: str, keep: int) -> list[Run]:
        """Old ended runs that have this in their folders."""
        names = await asyncio.to_thread(_folders, self.places.runs, inner)
        if len(names) <= keep:
            return []
        found = [await self.store.get(name) for name in names]
        ended = [run for run in found if run is not None and run.ended]
        oldest_first = sorted(ended, key=lambda run: run.updated_at)
        needed = await self._still_needed()
        return [run for run in oldest_first[:-keep] if run.run_id not in needed]

    async def _still_needed(self) -> set[str]:
        waiting = [await self.store.ended_without(self.model_name, job, _MANY) for job in self.jobs]
        return {run.run_id for runs in waiting for run in runs}


def _folders(root: Path, inner: str) -> list[str]:
    return [path.name for path in root.iterdir() if (path / inner).is_dir()] if root.is_dir() else []


PLOTS_JOB = "pictures"
_PAUSE_SECONDS = 15.0  # between two looks when no run has ended here


@dataclass(eq=False)
class BackgroundJobs:
    """Draws the pictures of ended runs, then clears up. A crash loses none: what is left is found again."""

    model_name: str
    store: RunStore
    registry: ModelRegistry
    tracker: ExperimentTracker
    clock: Clock
    metrics: Metrics
    provenance: Provenance
    plots: EvaluationFiles
    retention: Retention
    moment_seconds: float = 0.5
    _in_hand: int = field(default=0, init=False)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _idle: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self._idle.set()

    def run_began(self) -> None:
        """A lifecycle is in hand: pictures wait."""
        self._count(1)
        self._idle.clear()

    def run_left(self) -> None:
        """A lifecycle is out of hand; the last one lets the pictures begin."""
        self._count(-1)
        self._wanted.set()
        if not self._in_hand:
            self._idle.set()

    def _count(self, more: int) -> None:
        self._in_hand += more
        self.metrics.set("laurel_runs_in_flight", self._in_hand)

    async def run_forever(self) -> None:
        """Draw whatever is missing whenever the worker is idle."""
        while True:
            self._wanted.clear()
            try:
                await self._catch_up()
            except LaurelError as error:
                log.warning("pictures_put_off", reason=error.reason, message=error.message)
            try:
                async with asyncio.timeout(_PAUSE_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def _catch_up(self) -> None:
        while await self._undrawn():
            await self._be_idle()
            async with self.plots.opened() as draw:
                await self._draw_some(draw)
        await self.retention.look()

    async def _undrawn(self) -> Run | None:
        runs = await self.store.ended_without(self.model_name, PLOTS_JOB, 1)
        return runs[0] if runs else None

    async def _be_idle(self) -> None:
        """Wait until the worker has been idle for a moment: a request often follows another."""
        while True:
            await self._idle.wait()
            await self.clock.sleep(self.moment_seconds)
            if self._idle.is_set():
                return

    async def _draw_some(self, draw: Draw) -> None:
        """Draw until there is nothing left, a lifecycle comes, or something went wrong where it is drawn."""
        while self._idle.is_set() and (run := await self._undrawn()):
            good = await self._draw(run, draw)
            await self.store.job_done(run.run_id, PLOTS_JOB)
            if not good:
                return

    async def _draw(self, run: Run, draw: Draw) -> bool:
        """Draw, unless the run has no record, or its files are gone: then there is nothing to draw."""
        if run.record.opened is None:
            return True
        try:
            await self._mark_orphans(run)
            await draw(run, self.provenance)
        except TryLater as error:
            if error.waiting_on is not None:
                raise
            log.warning("pictures_given_up", run=run.run_id, reason=error.reason, message=error.message)
        except LaurelError as error:
            log.warning("pictures_given_up", run=run.run_id, reason=error.reason, message=error.message)
        except Exception:  # a defect in drawing may not take the worker down, again and again
            log.exception("pictures_given_up", run=run.run_id, reason="internal_error")
        else:
            return True
        return False

    async def _mark_orphans(self, run: Run) -> None:
        """Mark what a slow MLflow made of this run after we had stopped waiting for its answer."""
        record = run.record
        model = record.trained.model if record.trained else None
        await self.tracker.mark_orphans(present(record.opened), run.run_id, model)
        number = record.decided.version if record.decided else None
        version = await self.registry.version(run.model_name, number) if number else None
        if version is not None:
            await self.registry.mark_orphans(run.model_name, version)
