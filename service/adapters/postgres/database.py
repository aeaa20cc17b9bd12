"""One process's way to PostgreSQL: a pool for statements, and connections that listen or hold a lock."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from sqlalchemy import RowMapping, event, literal, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.sql.base import Executable

from domain.errors import Stop
from service.adapters.postgres.connections import (
    PromptConnection,
    connect_arguments,
    open_session,
    parse_url,
)
from service.adapters.postgres.errors import is_passing, needs_another_connection, translate, unavailable
from service.adapters.postgres.listener import OUTBOX, WORK, Bell, Listener
from service.adapters.postgres.sessions import Sessions, sessions_to

# Seconds between tries: the second mends a connection that was cut while idle, the last a server's restart.
_PAUSES: Final = (0.0, 0.05, 0.15, 0.3, 0.5)
_PING: Final = select(literal(1))
_NONE: Final[Mapping[str, Any]] = {}


class Database:
    """What the stores speak through. Made by `open_database`.

    Each statement commits by itself, in one round trip. Every one is written so that it may run twice: it
    compares before it sets, or names what it inserts. So a statement whose connection was lost, and of which
    nobody knows whether it was committed, is simply said again, and the store looks at what it finds.
    """

    def __init__(self, engine: AsyncEngine, sessions: Sessions, timeout_seconds: float) -> None:
        self._engine = engine
        self._sessions = sessions
        self._timeout = timeout_seconds
        self.clock = sessions.clock
        self.work = Bell()
        self.outbox = Bell()
        self._listener = Listener(self.connect_alone, {WORK: self.work, OUTBOX: self.outbox}, self.clock)
        self._listening: asyncio.Task[None] | None = None
        self._alone: list[PromptConnection] = []

    async def ping(self, statement: Executable = _PING) -> None:
        """Ask once whether the database answers, and whether work is heard of. Raises TryLater if not."""
        async with self._within_limits("answer a ping"):
            await self._once(statement, _NONE)
        self._refuse_lost_sessions()
        if self._listening is None or self._listening.done():
            raise unavailable("announce new work", "the listening task of this process has ended")
        if (trouble := self._listener.trouble) is not None:
            raise unavailable("announce new work", trouble)

    async def rows(
        self,
        doing: str,
        statement: Executable,
        parameters: Mapping[str, Any] = _NONE,
        *,
        unless_found: Executable | None = None,
    ) -> Sequence[RowMapping]:
        """Run a statement and return its rows; `doing` is a verb phrase for errors.

        It may run twice. One that must not gives, in `unless_found`, the query that is asked before a repeat:
        what it finds is the answer that was lost.
        Raises TryLater when there is no answer in time or it is refused, NeverRetry for a value that the
        database cannot hold, Stop when the schema is not ours or a pooler does not keep sessions.
        """
        async with self._within_limits(doing):
            return await self._insist(statement, parameters, unless_found)

    async def row(
        self,
        doing: str,
        statement: Executable,
        parameters: Mapping[str, Any] = _NONE,
        *,
        unless_found: Executable | None = None,
    ) -> RowMapping | None:
        """Give the first row of `rows`, None without one."""
        found = await self.rows(doing, statement, parameters, unless_found=unless_found)
        return found[0] if found else None

    @asynccontextmanager
    async def stage(self) -> AsyncIterator["Database"]:
        """Give a database on which whatever is done is undone at the end, on one connection of this one."""
        async with self._within_limits("rehearse"), self._engine.connect() as connection:
            await connection.execution_options(isolation_level="READ COMMITTED")
            yield _Stage(self, connection)
            await connection.rollback()

    async def connect_alone(self, settings: Mapping[str, str] = _NONE) -> PromptConnection:
        """Open a session beside the pool, with settings of the server such as `idle_session_timeout`.

        It is proved to be one, and ends with this database at the latest. Raises psycopg's errors,
        TimeoutError, and Stop when a pooler does not keep sessions.
        """
        connection = await self._sessions.open(settings)
        self._alone = [known for known in self._alone if not known.closed] + [connection]
        return connection

    async def close(self) -> None:
        """End the listening task and every connection."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        for connection in self._alone:
            await connection.close()
        await self._engine.dispose()

    def listen(self) -> None:
        """Start the listening task."""
        self._listening = asyncio.create_task(self._listener.run(), name="postgres-listener")

    @asynccontextmanager
    async def _within_limits(self, doing: str) -> AsyncIterator[None]:
        self._refuse_lost_sessions()
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except TimeoutError:
            raise unavailable(doing, f"no answer within {self._timeout:g} s") from None
        except (DBAPIError, NoFreeConnection, UnicodeEncodeError) as error:
            raise translate(error, doing) from error

    def _refuse_lost_sessions(self) -> None:
        """Whoever listens finds out when a pooler comes between, after a failover, say."""
        if (refusal := self._listener.refusal) is not None:
            raise Stop(refusal.reason, refusal.message)

    async def _insist(
        self, statement: Executable, parameters: Mapping[str, Any], unless_found: Executable | None
    ) -> Sequence[RowMapping]:
        attempt = partial(self._once, statement, parameters)
        for pause in _PAUSES:
            try:
                return await attempt()
            except DBAPIError as error:
                if not is_passing(error):
                    raise
            if unless_found is not None:
                attempt = partial(self._repeat, statement, parameters, unless_found)
            await asyncio.sleep(pause)
        return await attempt()

    async def _repeat(
        self, statement: Executable, parameters: Mapping[str, Any], unless_found: Executable
    ) -> Sequence[RowMapping]:
        found = await self._once(unless_found, parameters)
        return found or await self._once(statement, parameters)

    async def _once(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[RowMapping]:
        async with self._engine.connect() as connection:
            return await _answer(connection, statement, parameters)


class _Stage(Database):
    """Runs every statement in one transaction."""

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        super().__init__(database._engine, database._sessions, database._timeout)  # noqa: SLF001 - the same class
        self._connection = connection

    async def _once(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[RowMapping]:
        return await _answer(self._connection, statement, parameters)


async def _answer(
    connection: AsyncConnection, statement: Executable, parameters: Mapping[str, Any]
) -> Sequence[RowMapping]:
    result = await connection.execute(statement, parameters)
    return result.mappings().all() if result.returns_rows else ()


def _distrust_the_pool(context: ExceptionContext) -> None:
    """Open new connections, where the idle ones may be as bad as the one that failed.

    What swallowed a call that was given up may have swallowed them too; a session that began on a read-only
    server stays read-only; and what a pooler mixed up once is mixed up.
    """
    error = context.original_exception
    if isinstance(error, asyncio.CancelledError):
        context.invalidate_pool_on_disconnect = True
    if needs_another_connection(error):
        context.is_disconnect = True


@asynccontextmanager
async def open_database(
    url: str, *, application: str = "laurel", timeout_seconds: float = 5.0, connections: int = 4
) -> AsyncIterator[Database]:
    """Give a process its `Database`; leaving the block closes every connection.

    Nothing has to answer yet: whoever calls first hears that PostgreSQL is away. `timeout_seconds` bounds
    every call, tries and waiting for a free connection included; choose it well below the lease.
    `connections` is how many stay open in the pool; as many again may come for a moment, and one listens.
    Raises Stop for a URL that cannot be one of PostgreSQL.
    """
    parsed = parse_url(url)
    sessions = sessions_to(url, application=application, statement_seconds=timeout_seconds)
    engine = create_async_engine(
        parsed,
        connect_args={
            **connect_arguments(parsed, application=application),
            "async_creator_fn": partial(open_session, sessions.settings, sessions.clock),
        },
        hide_parameters=True,  # they hold what requests said, and errors are logged
        isolation_level="AUTOCOMMIT",
        pool_size=connections,
        max_overflow=connections,
        pool_timeout=timeout_seconds,
        pool_use_lifo=True,  # the connection that has the statements prepared is used first
        pool_reset_on_return=None,  # there is never an open transaction to roll back
    )
    event.listen(engine.sync_engine, "handle_error", _distrust_the_pool)
    database = Database(engine, sessions, timeout_seconds)
    database.listen()
    try:
        yield database
    finally:
        await database.close()
