"""How a connection is made: with a time limit on everything that can hang, and settings of its session.

The settings are made after connecting: a pooler such as PgBouncer refuses `options` in the startup packet.
"""

import asyncio
import logging
import re
from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import Stop

CONNECT_SECONDS: Final = 4
ANSWER_SECONDS: Final = 3.0  # for a statement that asks nothing of the server but to be there
_DRIVER: Final = "postgresql+psycopg"
_OPTION: Final = re.compile(r"(?:-c\s*|--)([\w-]+)=")  # `-c name=value` or `--name=value`

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


def session_settings(url: URL, *, statement_seconds: float) -> dict[str, str]:
    """Settings of the server for each session, but for those that the URL's `options` make themselves."""
    limit = str(round(statement_seconds * 1000))
    ours = {"statement_timeout": limit, "idle_in_transaction_session_timeout": limit, "timezone": "UTC"}
    given = url.query.get("options", "")
    text = (given if isinstance(given, str) else " ".join(given)).lower()
    said = {name.replace("-", "_") for name in _OPTION.findall(text)}
    return {name: value for name, value in ours.items() if name not in said}


def session_statement(settings: Mapping[str, str]) -> tuple[bytes, list[str]]:
    """Give the one statement that makes the settings, and its parameters."""
    calls = ", ".join(["set_config(%s, %s, false)"] * len(settings))
    return f"SELECT {calls}".encode(), [text for setting in settings.items() for text in setting]


async def open_session(settings: Mapping[str, str], **arguments: Any) -> PromptConnection:
    """Connect and make the settings. Raises psycopg's errors."""
    connection = await PromptConnection.connect(**{**arguments, "autocommit": True})
    await begin_session(connection, settings)
    return connection


async def begin_session(connection: PromptConnection, settings: Mapping[str, str]) -> None:
    """Make the settings of a session. Raises psycopg.OperationalError, the connection then closed."""
    statement, parameters = session_statement(settings)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await connection.execute(statement, parameters, prepare=False)
    except (psycopg.Error, TimeoutError) as error:
        await connection.close()
        why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
        raise psycopg.OperationalError(f"the session could not be set up: {why}") from error
    except BaseException:
        await connection.close()
        raise
