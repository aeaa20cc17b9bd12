"""Proof that a connection is one session of the server, from its first statement to its last.

Locks of a session, LISTEN and prepared statements stand on that. A pooler in transaction mode gives each
transaction to whichever server process is free: two clients then hold one lock, and notifications are lost.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from domain.errors import Stop
from service.adapters.postgres.address import SessionSetting, read_address, session_settings
from service.adapters.postgres.connections import (
    ANSWER_SECONDS,
    PromptConnection,
    begin_session,
    connect_arguments,
)
from service.adapters.postgres.errors import translate, unavailable
from service.runtime.clock import RecordClock

_ROUNDS: Final = 3  # a pooler that picks a server process at random may pick the right one, but not so often
_NO_ANSWER: Final = f"no answer within {ANSWER_SECONDS:g} s; behind a pooler, its pool may be too small"
_PROTOCOL_CLASS: Final = "08"  # in which poolers tell what they cannot do
_WAYS: Final = "SELECT pg_backend_pid(), inet_client_port()"
_PID: Final = "SELECT pg_backend_pid()"
# Numbers alone: the session reads and writes as its role or database was set up.
_SET_MARK: Final = "SELECT set_config('laurel.session', %s, false)::numeric"
_MARK: Final = "SELECT nullif(current_setting('laurel.session', true), '')::numeric"
# What is set here ends with the transaction. A pause between two of its statements may not end the session.
_BEGIN: Final = (
    "BEGIN; SELECT set_config(name, '0', true) FROM (VALUES ('idle_in_transaction_session_timeout'), "
    "('transaction_timeout')) AS no_limit (name) WHERE current_setting(name, true) IS NOT NULL"
)


@dataclass(frozen=True)
class Sessions:
    """How a process opens sessions: libpq's arguments, settings on the server, and a clock to set by it."""

    arguments: Mapping[str, Any]
    settings: Mapping[str, SessionSetting]
    clock: RecordClock = field(default_factory=RecordClock)

    async def open(self, more: Mapping[str, str]) -> PromptConnection:
        """Open one that is proved, with `more` settings. Raises Stop, psycopg's errors and TimeoutError."""
        connection, _ = await self.prove()
        ours = {name: SessionSetting(value) for name, value in more.items()}
        await begin_session(connection, {**self.settings, **ours}, self.clock)
        return connection

    async def prove(self) -> tuple[PromptConnection, bool]:
        """Open one that is proved, without settings, and say whether it is straight; raises likewise.

        Nothing is set before: in transaction mode the settings would become those of other clients.
        """
        connection = await self._open_bare()
        try:
            return connection, await is_straight_session(connection, self._open_bare)
        except BaseException:
            await connection.close()
            raise

    async def _open_bare(self) -> PromptConnection:
        return await PromptConnection.connect(**{**self.arguments, "autocommit": True})


def sessions_to(url: str, *, application: str, statement_seconds: float) -> Sessions:
    """Say how to open sessions of a database. Raises Stop for a URL that cannot be one of PostgreSQL."""
    address = read_address(url)
    return Sessions(
        {**address.arguments, **connect_arguments(address.query, application=application)},
        session_settings(address.query, statement_seconds=statement_seconds),
    )


async def require_sessions(url: str) -> bool:
    """Refuse a pooler that does not keep sessions; True when no pooler stands between.

    Raises Stop `pooler_in_transaction_mode`, and TryLater when there is no answer.
    """
    sessions = sessions_to(url, application="laurel-proof", statement_seconds=ANSWER_SECONDS)
    with proving():
        connection, straight = await sessions.prove()
        await connection.close()
    return straight


@contextmanager
def proving() -> Iterator[None]:
    """Raise TryLater where a proof gets no answer."""
    doing = "prove a session"
    try:
        yield
    except TimeoutError:
        raise unavailable(doing, _NO_ANSWER) from None
    except psycopg.Error as error:
        raise translate(error, doing) from error


async def is_straight_session(
    one: PromptConnection, open_another: Callable[[], Awaitable[PromptConnection]]
) -> bool:
    """True when the connection leads straight to the server, False through a pooler that keeps sessions.

    Straight costs one statement. Raises Stop for a pooler that does not keep sessions, else psycopg's errors
    and TimeoutError: nothing is known then.
    """
    if await _row(one, _WAYS) == (one.info.backend_pid, _own_port(one)):
        return True
    another = await open_another()
    try:
        if len({await _server_processes(one, another) for _ in range(_ROUNDS)}) > 1:
            raise _not_kept()
    finally:
        await another.close()
    return False


async def _server_processes(one: PromptConnection, another: PromptConnection) -> tuple[object, object]:
    """Give the server process of each, after looking whether each keeps it to itself."""
    mark = uuid.uuid4().int
    ours = await _answer(one, _PID)
    await _answer(one, _SET_MARK, str(mark))
    await _begin(another)
    theirs, their_mark = await _answer(another, _PID), await _answer(another, _MARK)
    ours_again = await _answer_beside(one, another)
    await _answer(another, "ROLLBACK")
    theirs_again, our_mark = await _answer(another, _PID), await _answer(one, _MARK)
    alone = ours != theirs and their_mark != mark
    if not alone or (ours_again, theirs_again, our_mark) != (ours, theirs, mark):
        raise _not_kept()
    return ours, theirs


async def _begin(connection: PromptConnection) -> None:
    """Open a transaction, which a pooler in statement mode does not do."""
    try:
        await _answer(connection, _BEGIN)
    except psycopg.Error as error:
        if "statement pooling" in str(error):
            raise _not_kept() from error
        raise
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        raise _not_kept()


async def _answer_beside(one: PromptConnection, another: PromptConnection) -> object:
    """Ask one while the other is in a transaction: in a pool of one server process it waits for its end."""
    asking = asyncio.create_task(_row(one, _PID, budget=3))
    try:
        await asyncio.wait({asking}, timeout=ANSWER_SECONDS)
        if not asking.done():
            await _answer(another, "ROLLBACK")
            await asking
            raise _not_kept()
        return _first(asking.result())
    except psycopg.Error as error:
        if (error.sqlstate or "").startswith(_PROTOCOL_CLASS):
            await _answer(another, "ROLLBACK")  # the server is there
            raise _not_kept() from error
        raise
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _answer(connection: PromptConnection, statement: str, *parameters: str) -> object:
    return _first(await _row(connection, statement, *parameters))


def _first(row: TupleRow | None) -> object:
    return row[0] if row else None


async def _row(
    connection: PromptConnection, statement: str, *parameters: str, budget: int = 1
) -> TupleRow | None:
    async with asyncio.timeout(budget * ANSWER_SECONDS):
        cursor = await connection.execute(statement.encode(), parameters or None, prepare=False)
        return await cursor.fetchone() if cursor.description else None


def _own_port(connection: PromptConnection) -> int | None:
    """Our end of the connection, which the server sees unless somebody stands between."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        return None if ours.family == socket.AF_UNIX else int(ours.getsockname()[1])


def _not_kept() -> Stop:
    return Stop(
        "pooler_in_transaction_mode",
        "DATABASE_URL leads to a pooler in transaction mode: connect directly, or use session mode",
    )
