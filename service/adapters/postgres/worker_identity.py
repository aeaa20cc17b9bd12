"""A name for each living worker, the same one after a restart.

The holder of a name may take back the leases and close the alias writes of its earlier life at once; so
no two living workers may have the same.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

from domain.errors import Stop, TryLater
from service.adapters.postgres.database import Database
from service.adapters.postgres.session_lock import SessionLock

_CHECK_SECONDS: Final = 2.0

# The server notices within half a minute that a machine has vanished, and lets its worker's name go.
_SETTINGS: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class WorkerIdentity:
    """A worker's name, kept while `keep` runs."""

    def __init__(self, name: str, lock: SessionLock) -> None:
        self.name = name
        self._lock = lock

    async def keep(self) -> None:
        """Run beside the worker: take the name again after the database was away.

        Raises Stop when another worker took it meanwhile: this one must end, and start again under another;
        and when a pooler stands between now that does not keep sessions.
        """
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            if not await self._lock.still_held():
                await self._take_again()

    async def _take_again(self) -> None:
        try:
            again = await self._lock.take(_lock_name(self.name))
        except TryLater:
            return  # the next check tries again
        if not again:
            raise Stop("worker_name_taken", f"another worker runs as {self.name!r} now; start this one again")


@asynccontextmanager
async def hold_worker_identity(database: Database, wanted: str) -> AsyncIterator[WorkerIdentity]:
    """Hold the name `wanted`, or `wanted-2`, `wanted-3` … while other living workers have those before.

    Raises TryLater when the database does not answer.
    """
    lock = SessionLock(database, _SETTINGS)
    for name in _names(wanted):
        if await lock.take(_lock_name(name)):
            break
    try:
        yield WorkerIdentity(name, lock)
    finally:
        await lock.give_back()


def _names(wanted: str) -> Iterator[str]:
    yield wanted
    number = 2
    while True:
        yield f"{wanted}-{number}"
        number += 1


def _lock_name(worker: str) -> str:
    return f"laurel/worker/{worker}"
