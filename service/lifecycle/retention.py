"""What old runs and crashes leave on disk, and when it may go."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from domain.ports.run_store import RunStore
from domain.run import Run
from service.adapters.files.atomic import sweep
from service.adapters.files.data_layout import DataLayout

log = structlog.get_logger()

_MANY = 1000  # ended runs whose chores are looked up; their folders stay in any case


@dataclass(frozen=True)
class Retention:
    """Keeps the folders of the newest ended runs, and of every run that still needs its own.

    `chores` are what must be done before a folder may go. A temporary file below `roots` is abandoned when
    nobody has written to it for `abandoned_seconds`.
    """

    model_name: str
    store: RunStore
    places: DataLayout
    keep: int
    jobs: Sequence[str]
    roots: Sequence[Path]
    abandoned_seconds: float

    async def look(self) -> None:
        """Remove what may go. Safe to repeat, and beside other workers."""
        for root in self.roots:
            swept = await asyncio.to_thread(sweep, root, older_than_seconds=self.abandoned_seconds)
            if swept:
                log.info("temporary_files_swept", files=len(swept), folder=str(root))
        for run in await self._removable():
            await asyncio.to_thread(shutil.rmtree, self.places.run(run.run_id), ignore_errors=True)
            log.info("run_folder_removed", run=run.run_id)

    async def _removable(self) -> list[Run]:
        names = await asyncio.to_thread(_folders, self.places.runs)
        if len(names) <= self.keep:
            return []
        found = [await self.store.get(name) for name in names]
        ended = [run for run in found if run is not None and run.ended]
        oldest_first = sorted(ended, key=lambda run: run.updated_at)
        needed = await self._still_needed()
        return [run for run in oldest_first[: -self.keep] if run.run_id not in needed]

    async def _still_needed(self) -> set[str]:
        waiting = [await self.store.ended_without(self.model_name, job, _MANY) for job in self.jobs]
        return {run.run_id for runs in waiting for run in runs}


def _folders(root: Path) -> list[str]:
    return [path.name for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
