"""Bringing the schema to the version that this code needs, and refusing one that it does not know."""

from typing import Final

from sqlalchemy import Connection, text

from domain.errors import Stop
from service.adapters.postgres.tables import SCHEMA
from service.adapters.postgres.transactions import transaction

NEWEST: Final = "0004"  # what the last script in migrations/versions makes

# Held to the end of the transaction: of several processes that start on an empty database, one migrates.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('laurel/schema', 0))")
_EXISTS: Final = text(f"SELECT to_regclass('{SCHEMA}.alembic_version') IS NOT NULL")
_FOUND: Final = text(f"SELECT version_num FROM {SCHEMA}.alembic_version")  # noqa: S608 - a constant of ours


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
        _refuse_newer(_found(connection))
        migrate(connection)


def require_current(url: str) -> None:
    """Raise Stop, saying which is which, unless the schema is exactly what this code needs. Blocks."""
    with transaction(url, "read the schema's version") as connection:
        found = _found(connection)
    if found == NEWEST:
        return
    _refuse_newer(found)
    raise Stop(
        "schema_older",
        f"{_standing(found)}, and this Laurel needs version {NEWEST}; run `laurel db upgrade`",
        found=found,
        needed=NEWEST,
    )


def _standing(found: str | None) -> str:
    return f"the database schema is at version {found}" if found else "the database has no schema of Laurel"


def _refuse_newer(found: str | None) -> None:
    from service.adapters.postgres.migrate import known_versions  # noqa: PLC0415 - likewise

    if found is not None and found not in known_versions():
        raise Stop(
            "schema_newer",
            f"the database schema is at version {found}, which this Laurel does not know (its newest is "
            f"{NEWEST}); run the Laurel that brought it there, or a later one",
            found=found,
            needed=NEWEST,
        )


def _found(connection: Connection) -> str | None:
    if not connection.execute(_EXISTS).scalar_one():
        return None
    found: str | None = connection.execute(_FOUND).scalar_one_or_none()
    return found
