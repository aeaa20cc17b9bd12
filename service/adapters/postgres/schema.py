"""Bringing the schema to the version that this code needs, and refusing one that it does not know."""

from typing import Final

from sqlalchemy import Connection, text

from service.adapters.postgres.engine import transaction
from service.adapters.postgres.schema_version import (
    EXISTS,
    FOUND,
    NEWEST,
    refuse_newer,
    refuse_unless_current,
)
from service.adapters.postgres.tables import SCHEMA

# Held to the end of the transaction: of several processes that start on an empty database, one migrates.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('laurel/schema', 0))")


def upgrade(url: str) -> None:
    """Bring the schema up to date, all steps in one transaction; blocks, so call it in a thread.

    Raises Stop when the schema is newer than this code, TryLater when the database does not answer.
    """
    with transaction(url, "upgrade the schema") as connection:
        if _found(connection) == NEWEST:
            return
        from service.adapters.postgres.migrate import migrate  # noqa: PLC0415 - Alembic is slow to import

        connection.execute(_ONE_AT_A_TIME)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        refuse_newer(_found(connection))
        migrate(connection)


def require_current(url: str) -> None:
    """Raise Stop, saying which is which, unless the schema is exactly what this code needs. Blocks."""
    with transaction(url, "read the schema's version") as connection:
        found = _found(connection)
    refuse_unless_current(found)


def _found(connection: Connection) -> str | None:
    if not connection.execute(text(EXISTS)).scalar_one():
        return None
    found: str | None = connection.execute(text(FOUND)).scalar_one_or_none()
    return found
