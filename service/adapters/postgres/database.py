"""One process's way to PostgreSQL: a pool for statements, and connections that listen or hold a lock."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from sqlalchemy import RowMapping, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection
from sqlalchemy.sql.base import Executable

from domain.errors import Stop
from service.adapters.postgres.async_engine import AsyncConnection, AsyncEngine
from service.adapters.postgres.connections import (
    PromptConnection,
    connect_arguments,
    open_session,
)
from service.adapters.postgres.engine import engine_url, pooled_engine
from service.adapters.postgres.errors import is_passing, translate, unavailable
from service.adapters.postgres.listener import (
    CALLED_OFF,
    LEDGER,
    OUTBOX,
    WORK,
    Bell,
    NotificationListener,
)
from service.adapters.postgres.one_session import PAUSES
from service.adapters.postgres.sessions import Sessions, sessions_to

_PING: Final = select(literal(1))
_NONE: Final[Mapping[str, str]] = {}

Statement = Executable | str  # built by the library, or in plain SQL as psycopg takes it


class Database:
    """What the stores speak through. Made by `open_database`.

    Each statement commits by itself, in one round trip. Every one is written so that it may run twice: it
    compares before it sets, or names what it inserts. So a statement whose connection was lost, and of which
    nobody knows whether it was committed, is simply said again, and the store looks at what it finds.
    """

    def __init__(
        self, engine: AsyncEngine, probe: AsyncEngine, sessions: Sessions, timeout_seconds: float
    ) -> None:
        self._engine = engine
        self._probe = probe
        self._sessions = sessions
        self._timeout = timeout_seconds
        self.clock = sessions.clock
        self.work = Bell()
        self.outbox = Bell()
        self.ledger = Bell()
        self.cancelled = Bell()
        bells = {
            WORK: self.work,
            OUTBOX: self.outbox,
            LEDGER: self.ledger,
            CALLED_OFF: self.cancelled,
        }
        self._listener = NotificationListener(self.connect_alone, bells, self.clock)
        self._listening: asyncio.Task[None] | None = None
        self._alone: list[PromptConnection] = []

    async def ping(self, statement: Statement = _PING) -> None:
        """Ask once whether the database answers, and whether work is heard of. Raises TryLater if not.

        It has a connection of its own: that all others are busy is no reason to say that it is away.
        """
        async with self._within_limits("answer a ping"), self._probe.connect() as connection:
            await _answer(connection, statement, _NONE)
        self._refuse_lost_sessions()
        if self._listening is None or self._listening.done():
            raise unavailable("announce new work", "the listening task of this process has ended")
        if (trouble := self._listener.trouble) is not None:
            raise unavailable("announce new work", trouble)

    async def rows(
        self,
        doing: str,
        statement: Statement,
        parameters: Mapping[str, object] = _NONE,
        *,
        unless_found: Statement | None = None,
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
        statement: Statement,
        parameters: Mapping[str, object] = _NONE,
        *,
        unless_found: Statement | None = None,
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
        await self._probe.dispose()

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
        except NoFreeConnection:
            raise unavailable(doing, "every connection of this process is in use") from None
        except (DBAPIError, UnicodeEncodeError) as error:
            raise translate(error, doing) from error

    def _refuse_lost_sessions(self) -> None:
        """The listener notices when a pooler comes between, for example after a failover."""
        if (refusal := self._listener.refusal) is not None:
            raise Stop(refusal.reason, refusal.message)

    async def _insist(
        self, statement: Statement, parameters: Mapping[str, object], unless_found: Statement | None
    ) -> Sequence[RowMapping]:
        attempt = partial(self._once, statement, parameters)
        for pause in PAUSES:
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
        self, statement: Statement, parameters: Mapping[str, object], unless_found: Statement
    ) -> Sequence[RowMapping]:
        found = await self._once(unless_found, parameters)
        return found or await self._once(statement, parameters)

    async def _once(self, statement: Statement, parameters: Mapping[str, object]) -> Sequence[RowMapping]:
        async with self._engine.connect() as connection:
            return await _answer(connection, statement, parameters)


class _Stage(Database):
    """Runs every statement in one transaction."""

    def __init__(self, database: Database, connection: AsyncConnection) -> None:
        super().__init__(database._engine, database._probe, database._sessions, database._timeout)  # noqa: SLF001 - the same class
        self._connection = connection

    async def _once(self, statement: Statement, parameters: Mapping[str, object]) -> Sequence[RowMapping]:
        return await _answer(self._connection, statement, parameters)


async def _answer(
    connection: AsyncConnection, statement: Statement, parameters: Mapping[str, object]
) -> Sequence[RowMapping]:
    if isinstance(statement, str):
        result = await connection.exec_driver_sql(statement, dict(parameters) or None)
    else:
        result = await connection.execute(statement, parameters)
    return result.mappings().all() if result.returns_rows else ()


@asynccontextmanager
async def open_database(
    url: str, *, application: str = "laurel", timeout_seconds: float = 5.0, connections: int = 4
) -> AsyncIterator[Database]:
    """Give a process its `Database`; leaving the block closes every connection.

    PostgreSQL need not answer yet: the first call reports that it is away. `timeout_seconds` bounds
    every call, tries and waiting for a free connection included; choose it well below the lease.
    `connections` is how many stay open in the pool; as many again may come for a moment, one listens, and one
    is pinged.
    Raises Stop for a URL that cannot be one of PostgreSQL.
    """
    parsed = engine_url(url)
    sessions = sessions_to(url, application=application, statement_seconds=timeout_seconds)
    arguments = {
        **connect_arguments(parsed.query, application=application),
        "async_creator_fn": partial(open_session, sessions.settings, sessions.clock),
    }
    engine, probe = (
        pooled_engine(parsed, arguments, timeout_seconds, kept, more)
        for kept, more in ((connections, connections), (1, 0))
    )
    database = Database(engine, probe, sessions, timeout_seconds)
    database.listen()
    try:
        yield database
    finally:
        await database.close()
