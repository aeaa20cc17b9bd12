"""A database as a command looks into it: one session, and no library between."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg.rows import dict_row

from service.adapters.postgres.connections import PromptConnection
from service.adapters.postgres.errors import is_passing, translate, unavailable
from service.adapters.postgres.rows import NO_PARAMETERS, Row
from service.adapters.postgres.sessions import Sessions, proving, sessions_to

# Seconds between tries: the second survives an idle connection that was cut, the last a server's restart.
PAUSES: Final = (0.0, 0.05, 0.15, 0.3, 0.5)


class OneSession:
    """`RowSource` on a proved session, which is opened again when it was lost. Made by `open_one_session`.

    Statements wait for each other; each has its own time.
    """

    def __init__(self, sessions: Sessions, connection: PromptConnection, timeout_seconds: float) -> None:
        self._sessions = sessions
        self._connection = connection
        self._timeout = timeout_seconds
        self._turn = asyncio.Lock()
        self.clock = sessions.clock

    async def rows(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Sequence[Row]:
        """Run a statement and return its rows; it runs again when a connection was lost."""
        try:
            async with self._turn, asyncio.timeout(self._timeout):
                return await self._insist(statement, parameters)
        except TimeoutError:
            raise unavailable(doing, f"no answer within {self._timeout:g} s") from None
        except (psycopg.Error, UnicodeEncodeError) as error:
            raise translate(error, doing) from error

    async def row(
        self, doing: str, statement: str, parameters: Mapping[str, object] = NO_PARAMETERS
    ) -> Row | None:
        """Give the first row of `rows`, None without one."""
        found = await self.rows(doing, statement, parameters)
        return found[0] if found else None

    async def close(self) -> None:
        """End the session."""
        await self._connection.close()

    async def _insist(self, statement: str, parameters: Mapping[str, object]) -> Sequence[Row]:
        for pause in PAUSES:
            try:
                return await self._once(statement, parameters)
            except psycopg.Error as error:
                if not is_passing(error):
                    raise
                await self.close()
            await asyncio.sleep(pause)
        return await self._once(statement, parameters)

    async def _once(self, statement: str, parameters: Mapping[str, object]) -> Sequence[Row]:
        if self._connection.closed:
            self._connection = await self._sessions.open({})
        async with self._connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement.encode(), parameters)
            return await cursor.fetchall()


@asynccontextmanager
async def open_one_session(
    url: str, *, application: str, timeout_seconds: float = 5.0
) -> AsyncIterator[OneSession]:
    """Open a session and prove it; leaving the block ends it.

    Raises Stop for a URL that cannot be one of PostgreSQL, or `pooler_in_transaction_mode`, and TryLater when
    there is no answer.
    """
    sessions = sessions_to(url, application=application, statement_seconds=timeout_seconds)
    with proving():
        connection = await sessions.open({})
    session = OneSession(sessions, connection, timeout_seconds)
    try:
        yield session
    finally:
        await session.close()
