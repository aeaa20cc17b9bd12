"""Which version the schema has to have, and what is said of any other."""

from typing import Final

from domain.errors import Stop
from service.adapters.postgres.rows import RowSource

NEWEST: Final = "0009"  # what the last script in migrations/versions makes
EXISTS: Final = "SELECT to_regclass('laurel.alembic_version') IS NOT NULL AS is_there"
FOUND: Final = "SELECT version_num FROM laurel.alembic_version"


async def require_current_schema(database: RowSource) -> None:
    """Raise Stop, saying which is which, unless the schema is exactly what this code needs."""
    doing = "read the schema's version"
    there = await database.row(doing, EXISTS)
    row = await database.row(doing, FOUND) if there and there["is_there"] else None
    refuse_unless_current(str(row["version_num"]) if row else None)


def refuse_unless_current(found: str | None) -> None:
    """Raise Stop unless the version that was found is the one that this code needs."""
    if found == NEWEST:
        return
    refuse_newer(found)
    raise Stop(
        "schema_older",
        f"{_current(found)}, and this Laurel needs version {NEWEST}; run `laurel db upgrade`",
        found=found,
        needed=NEWEST,
    )


def refuse_newer(found: str | None) -> None:
    """Raise Stop for a version that this code does not know."""
    from service.adapters.postgres.migrate import known_versions  # noqa: PLC0415 - Alembic is slow to import

    if found is not None and found not in known_versions():
        raise Stop(
            "schema_newer",
            f"the database schema is at version {found}, which this Laurel does not know (its newest is "
            f"{NEWEST}); run the Laurel that upgraded it, or a later one",
            found=found,
            needed=NEWEST,
        )


def _current(found: str | None) -> str:
    return f"the database schema is at version {found}" if found else "the database has no schema of Laurel"
