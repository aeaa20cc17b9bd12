"""Keeps how many rows the master has, for platforms that ask the DAG API. No fault here stops a run."""

import structlog

from domain.errors import LaurelError
from domain.ports.clock import Clock
from domain.ports.dataset_files import DatasetFiles, MasterRows
from service.runtime.told_once import ToldOnce

log = structlog.get_logger()


async def record_rows(rows: int, kept: MasterRows) -> None:
    """Keep the number, or say in the log why it is not kept."""
    try:
        await kept.record(rows)
    except LaurelError as error:
        log.warning("master_rows_not_kept", reason=error.reason, message=error.message)


class MasterLooks:
    """Counts the rows again and again, from the footer, as the data pipeline appends between two runs."""

    def __init__(self, kept: MasterRows, files: DatasetFiles, clock: Clock, pause_seconds: float) -> None:
        self._kept = kept
        self._clock = clock
        self._files = files
        self._pause_seconds = pause_seconds
        self._failures = ToldOnce("master_not_counted")

    async def run_forever(self) -> None:
        """Look at once and then after every pause."""
        while True:
            await self.look()
            await self._clock.sleep(self._pause_seconds)

    async def look(self) -> None:
        """Count and keep. A master that is missing, unreadable or half written leaves the last number."""
        with self._failures.told():
            await record_rows(await self._files.count_rows(), self._kept)
