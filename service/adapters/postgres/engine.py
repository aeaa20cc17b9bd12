"""SQLAlchemy's engine: how it is addressed, and how it treats its connections."""

import asyncio
from collections.abc import Mapping

from sqlalchemy import event
from sqlalchemy.engine import URL, ExceptionContext, make_url

from service.adapters.postgres.address import DRIVER, read_address
from service.adapters.postgres.async_engine import AsyncEngine, create_async_engine
from service.adapters.postgres.errors import needs_another_connection


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
