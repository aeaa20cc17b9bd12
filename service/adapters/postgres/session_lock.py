"""A lock that a living process holds: PostgreSQL gives it back when the process's connection ends."""

import asyncio
from typing import Final

import psycopg

from service.adapters.postgres.connections import CONNECT_SECONDS, PromptConnection
from service.adapters.postgres.database import Database
from service.adapters.postgres.errors import translate, unavailable

_TAKE: Final = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
_ANSWER_SECONDS: Final = 3.0


class SessionLock:
    """One session advisory lock on a connection of its own; `settings` are of that session on the server."""

    def __init__(self, database: Database, *settings: str) -> None:
        self._database = database
        self._settings = settings
        self._connection: PromptConnection | None = None

    @property
    def taken(self) -> bool:
        """True from a successful `take` on, until the loss is noticed or the lock is given back."""
        return self._connection is not None

    async def take(self, name: str) -> bool:
        """Take the lock of this name; False when another session has it. Raises TryLater."""
        doing = f"take the lock {name!r}"
        try:
            async with asyncio.timeout(CONNECT_SECONDS + _ANSWER_SECONDS):
                self._connection = await self._winner(name)
        except TimeoutError:
            raise unavailable(doing, "no answer in time") from None
        except psycopg.Error as error:
            raise translate(error, doing) from error
        return self.taken

    async def _winner(self, name: str) -> PromptConnection | None:
        connection = await self._database.connect_alone(*self._settings)
        won = False
        try:
            cursor = await connection.execute(_TAKE, (name,))
            won = await cursor.fetchone() == (True,)
        finally:
            if not won:
                await connection.close()
        return connection if won else None

    async def still_held(self) -> bool:
        """Ask the session that holds the lock whether it lives; False when the lock is lost, or never was."""
        if self._connection is None:
            return False
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._connection.execute("SELECT 1")
        except (psycopg.Error, TimeoutError):
            await self.give_back()
            return False
        return True

    async def give_back(self) -> None:
        """End the session, and with it the lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()
