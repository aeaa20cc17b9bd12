"""A lock that a living process holds: PostgreSQL gives it back when the process's connection ends.

So each living worker has a name, the same one after a restart. Its holder may take back the leases and close
the alias writes of its earlier life at once; so no two living workers may have the same.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import psycopg

from domain.errors import Stop, TryLater
from service.adapters.postgres.connections import ANSWER_SECONDS, CONNECT_SECONDS, PromptConnection
from service.adapters.postgres.database import Database
from service.adapters.postgres.errors import translate, unavailable

_TAKE: Final = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_NO_SETTINGS: Final[Mapping[str, str]] = {}


class SessionLock:
    """One advisory lock on a connection of its own; `settings` are of that session on the server.

    Each connection is proved to be a session before it takes the lock.
    """

    def __init__(self, database: Database, settings: Mapping[str, str] = _NO_SETTINGS) -> None:
        self._database = database
        self._settings = settings
        self._connection: PromptConnection | None = None
        self.taken = False

    async def take(self, name: str) -> bool:
        """Take the lock of this name; False when another session has it. Raises TryLater.

        Raises Stop when a pooler stands between that does not keep sessions.

        The connection stays open for the next try.
        """
        doing = f"take the lock {name!r}"
        try:
            async with asyncio.timeout(CONNECT_SECONDS + ANSWER_SECONDS):
                self.taken = await self._tried(name)
        except TimeoutError:
            await self.give_back()
            raise unavailable(doing, "no answer in time") from None
        except psycopg.Error as error:
            await self.give_back()
            raise translate(error, doing) from error
        return self.taken

    async def still_held(self) -> bool:
        """Ask the session that took the lock whether it lives; False when the lock is lost, or never was."""
        if not self.taken or self._connection is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._connection.execute("SELECT 1")
        except (psycopg.Error, TimeoutError):
            await self.give_back()
        return self.taken

    async def give_back(self) -> None:
        """End the session, and with it the lock."""
        self.taken = False
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _tried(self, name: str) -> bool:
        if self._connection is not None:
            try:
                return await _try(self._connection, name)
            except psycopg.Error:  # cut while it was idle, or its prepared statements are gone
                await self.give_back()
        self._connection = await self._database.connect_alone(self._settings)
        return await _try(self._connection, name)


async def _try(connection: PromptConnection, name: str) -> bool:
    cursor = await connection.execute(_TAKE, (name,))
    return await cursor.fetchone() == (True,)


# The server notices within half a minute that a machine has vanished, and lets its worker's name go.
_SETTINGS: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}


class WorkerIdentity:
    """A worker's name, kept while `keep` runs."""

    def __init__(self, name: str, lock: SessionLock, check_seconds: float) -> None:
        self.name = name
        self._lock = lock
        self._check_seconds = check_seconds

    async def keep(self) -> None:
        """Run beside the worker: take the name again after the database was away.

        Raises Stop when another worker took it meanwhile: this one must end, and start again under another;
        and when a pooler stands between now that does not keep sessions.
        """
        while True:
            await asyncio.sleep(self._check_seconds)
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
async def hold_worker_identity(
    database: Database, wanted: str, *, check_seconds: float = 2.0
) -> AsyncIterator[WorkerIdentity]:
    """Hold the name `wanted`, or `wanted-2`, `wanted-3` … while other living workers have those before.

    Raises TryLater when the database does not answer.
    """
    lock = SessionLock(database, _SETTINGS)
    for name in _names(wanted):
        if await lock.take(_lock_name(name)):
            break
    try:
        yield WorkerIdentity(name, lock, check_seconds)
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
