"""SQLAlchemy's engine: how it is addressed, how it treats its connections, and an operator's transactions.

Migrations and grants take their time and block their thread.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.adapters.postgres.address import DRIVER, read_address, session_settings, session_statement
from service.adapters.postgres.async_engine import AsyncEngine, create_async_engine
from service.adapters.postgres.connections import connect_arguments
from service.adapters.postgres.errors import needs_another_connection, translate


def engine_url(url: str) -> URL:
    """Read a PostgreSQL URL, with or without a driver's name. Raises Stop for any other."""
    read_address(url)
    return make_url(url).set(drivername=DRIVER)


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


def pooled_engine(
    url: URL, arguments: Mapping[str, object], timeout_seconds: float, kept: int, more: int
) -> AsyncEngine:
    """Make an engine that keeps so many connections, and opens so many more for a moment."""
    engine = create_async_engine(
        url,
        connect_args=arguments,
        hide_parameters=True,  # they hold what requests said, and errors are logged
        isolation_level="AUTOCOMMIT",
        pool_size=kept,
        max_overflow=more,
        pool_timeout=timeout_seconds,
        pool_use_lifo=True,  # the connection that has the statements prepared is used first
        pool_reset_on_return=None,  # there is never an open transaction to roll back
    )
    event.listen(engine.sync_engine, "handle_error", _distrust_the_pool)
    return engine


_LONGEST_STATEMENT_SECONDS: Final = 120.0


@contextmanager
def transaction(url: str, doing: str) -> Iterator[Connection]:
    """Commit what is done in the block, all or nothing; `doing` is a verb phrase for errors.

    Raises Stop, TryLater and NeverRetry as the stores do.
    """
    parsed = engine_url(url)
    given = connect_arguments(parsed.query, application="laurel-schema")
    settings = session_settings(parsed.query, statement_seconds=_LONGEST_STATEMENT_SECONDS)

    def begin_session(opened: psycopg.Connection[TupleRow], _: object) -> None:
        opened.execute(*session_statement(settings))
        opened.commit()

    engine = create_engine(parsed, connect_args=given, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", begin_session, insert=True)  # before the engine itself asks anything
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        raise translate(error, doing) from error
