"""Keeps how many rows the master has, for platforms that ask the DAG API. No fault here stops a run."""

import structlog

from domain.errors import LaurelError
from domain.ports.dataset_files import DatasetFiles
from service.world import World

log = structlog.get_logger()


async def record_rows(rows: int, world: World) -> None:
    """Keep the number, or say in the log why it is not kept."""
    try:
        await world.master_rows.record(rows)
    except LaurelError as error:
        log.warning("master_rows_not_kept", reason=error.reason, message=error.message)


class MasterLooks:
    """Counts the rows again and again, from the footer, as the data pipeline appends between two runs."""

    def __init__(self, world: World, files: DatasetFiles, pause_seconds: float) -> None:
        self._world = world
        self._files = files
        self._pause_seconds = pause_seconds
        self._told: str | None = None  # a master that stays away is told of once

    async def run_forever(self) -> None:
        """Look at once and then after every pause."""
        while True:
            await self.look()
            await self._world.clock.sleep(self._pause_seconds)

    async def look(self) -> None:
        """Count and keep. A master that is missing, unreadable or half written leaves the last number."""
        try:
            rows = await self._files.count_rows()
        except LaurelError as error:
            if error.reason != self._told:
                log.warning("master_not_counted", reason=error.reason, message=error.message)
            self._told = error.reason
            return
        self._told = None
        await record_rows(rows, self._world)
