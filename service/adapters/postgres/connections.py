"""How a connection is made: with a time limit on everything that can hang."""

import logging
from collections.abc import Mapping
from typing import Any, Final

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from domain.errors import Stop

CONNECT_SECONDS: Final = 4
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


def connect_arguments(url: URL, *, application: str, statement_seconds: float) -> dict[str, Any]:
    """Arguments for libpq that the URL leaves open; what the URL says itself stands."""
    limit = round(statement_seconds * 1000)
    settings = f"-c statement_timeout={limit} -c idle_in_transaction_session_timeout={limit} -c timezone=UTC"
    given = url.query.get("options", "")
    options = " ".join([settings, *([given] if isinstance(given, str) else given)])
    defaults = {"connect_timeout": CONNECT_SECONDS, "application_name": application, **_TCP}
    return {name: value for name, value in defaults.items() if name not in url.query} | {"options": options}
