"""Bringing the schema to the version that this code needs, and refusing one that it does not know."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from domain.errors import Stop
from service.adapters.postgres.tables import SCHEMA
from service.adapters.postgres.transactions import transaction

_SCRIPTS: Final = Path(__file__).with_name("migrations")

# Held to the end of the transaction: of several processes that start on an empty database, one migrates.
_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('laurel/schema', 0))")


def upgrade(url: str) -> None:
    """Bring the schema up to date, all steps in one transaction; blocks, so call it in a thread.

    Raises Stop when the schema is newer than this code, TryLater when the database does not answer.
    """
    with transaction(url, "upgrade the schema") as connection:
        if _found(connection) == _newest():
            return
        connection.execute(_ONE_AT_A_TIME)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        _refuse_newer(_found(connection))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(url: str) -> None:
    """Raise Stop, saying which is which, unless the schema is exactly what this code needs. Blocks."""
    with transaction(url, "read the schema's version") as connection:
        found = _found(connection)
    _refuse_newer(found)
    if found != _newest():
        raise Stop(
            "schema_older",
            f"the database schema is at version {found or 'none'} and this Laurel needs {_newest()}; "
            "run `laurel db upgrade`",
            found=found,
            needed=_newest(),
        )


def _refuse_newer(found: str | None) -> None:
    known = [script.revision for script in _scripts().walk_revisions()]
    if found is not None and found not in known:
        raise Stop(
            "schema_newer",
            f"the database schema is at version {found}, which this Laurel does not know (its newest is "
            f"{_newest()}); run the Laurel that brought it there, or a later one",
            found=found,
            needed=_newest(),
        )


def _found(connection: Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": SCHEMA})
    return context.get_current_revision()


def _newest() -> str | None:
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
