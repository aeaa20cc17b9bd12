"""How a connection is made: with a limit on everything that can hang, and the contract of its session."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import Stop
from service.adapters.postgres.session_contract import Setting, session_statement, time_told
from service.clock import RecordClock

CONNECT_SECONDS: Final = 4
ANSWER_SECONDS: Final = 3.0  # for a statement that asks nothing of the server but to be there
_DRIVER: Final = "postgresql+psycopg"

# A server that vanished without a word is noticed by TCP itself within some ten seconds.
_TCP: Final[Mapping[str, Any]] = {
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
        self.pgconn.finish()


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a connection was closed in the middle of a query: that is what `cancel_safe` is for."""
    return not str(record.msg).startswith("query cancellation interrupted")


logging.getLogger("psycopg").addFilter(_is_news)


def parse_url(url: str) -> URL:
    """Read a PostgreSQL URL, with or without a driver's name. Raises Stop for any other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _bad_url("it cannot be read") from None
    if parsed.get_backend_name() not in {"postgresql", "postgres"}:
        raise _bad_url(f"it names {parsed.get_backend_name()!r}")
    return parsed.set(drivername=_DRIVER)


def _bad_url(why: str) -> Stop:
    """Without the URL itself, which may hold a password."""
    return Stop(
        "bad_database_url",
        f"the database URL is not one of PostgreSQL ({why}); "
        "write it as postgresql://user:password@host:5432/database",
    )


def connect_arguments(url: URL, *, application: str) -> dict[str, Any]:
    """Arguments for libpq that the URL leaves open; what the URL says itself stands."""
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": application, **_TCP}
    return {name: value for name, value in defaults.items() if name not in url.query}


async def open_session(
    settings: Mapping[str, Setting], clock: RecordClock, **arguments: Any
) -> PromptConnection:
    """Connect and make the settings. Raises psycopg's errors."""
    connection = await PromptConnection.connect(**{**arguments, "autocommit": True})
    await begin_session(connection, settings, clock)
    return connection


async def begin_session(
    connection: PromptConnection, settings: Mapping[str, Setting], clock: RecordClock
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
