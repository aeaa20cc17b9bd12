"""How a connection is made: with a limit on everything that can hang, and the contract of its session."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from service.adapters.postgres.address import Query, SessionSetting, session_statement, time_told
from service.runtime.clock import RecordClock

CONNECT_SECONDS: Final = 4
ANSWER_SECONDS: Final = 3.0  # for a statement that asks nothing of the server but to be there

# A server that vanished without a word is noticed by TCP itself within some ten seconds.
_TCP: Final[Mapping[str, int]] = {
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


class PromptConnection(AsyncConnection[TupleRow]):
    """A connection whose query, when given up, is cut off at once.

    psycopg asks the server to cancel and waits for it, up to ten seconds when nothing answers: as long as the
    lease of a run. The server finds the connection gone and rolls back what it had not committed.
    """

    async def cancel_safe(self, *, timeout: float = 30.0) -> None:  # noqa: ARG002, ASYNC109 - psycopg's own
        """Close instead of asking to cancel."""
        logging.getLogger("psycopg").addFilter(_is_news)  # it takes the same filter once
        self.pgconn.finish()


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a connection was closed in the middle of a query: that is what `cancel_safe` is for."""
    return not str(record.msg).startswith("query cancellation interrupted")


def connect_arguments(query: Query, *, application: str) -> dict[str, int | str]:
    """Arguments for libpq that the URL leaves open; what the URL says itself stands."""
    ours: dict[str, int | str] = {"connect_timeout": CONNECT_SECONDS, "application_name": application, **_TCP}
    return {name: value for name, value in ours.items() if name not in query}


async def open_session(
    settings: Mapping[str, SessionSetting], clock: RecordClock, **arguments: Any
) -> PromptConnection:
    """Connect and make the settings. Raises psycopg's errors."""
    connection = await PromptConnection.connect(**{**arguments, "autocommit": True})
    await begin_session(connection, settings, clock)
    return connection


async def begin_session(
    connection: PromptConnection, settings: Mapping[str, SessionSetting], clock: RecordClock
) -> None:
    """Make the settings of a session, and set the clock. Raises psycopg's errors, and closes it then."""
    statement, parameters = session_statement(settings)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            cursor = await connection.execute(statement, parameters, prepare=False)
            clock.read(time_told(await cursor.fetchone()))
    except TimeoutError as error:
        await connection.close()
        why = f"the session could not be set up: no answer within {ANSWER_SECONDS:g} s"
        raise psycopg.OperationalError(why) from error
    except BaseException:
        await connection.close()
        raise
