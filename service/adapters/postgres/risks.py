"""What a server is set to that no session of ours can make good."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import text

from service.adapters.postgres.transactions import transaction


class Risk(NamedTuple):
    """What was found, what it leads to, and how to fix it."""

    found: str
    fix: str


_LOOK: Final = text(
    "SELECT name, setting FROM pg_catalog.pg_settings "
    "WHERE name IN ('fsync', 'full_page_writes', 'server_encoding')"
)
_OFF: Final[Mapping[str, Risk]] = {
    "fsync": Risk(
        "fsync is off: a crash of the machine loses or corrupts committed data",
        "ALTER SYSTEM SET fsync = on, and reload",
    ),
    "full_page_writes": Risk(
        "full_page_writes is off: a crash of the machine may corrupt pages",
        "ALTER SYSTEM SET full_page_writes = on, and reload",
    ),
}
_HOLDS_ALL_LETTERS: Final = frozenset({"UTF8", "SQL_ASCII"})


def risks_of(url: str) -> Sequence[Risk]:
    """Look at the server and the database. Raises as the stores do. Blocks."""
    with transaction(url, "look at the server's settings") as connection:
        found: dict[str, str] = dict(connection.execute(_LOOK).all())
    risks = [risk for name, risk in _OFF.items() if found[name] == "off"]
    if (encoding := found["server_encoding"]) not in _HOLDS_ALL_LETTERS:
        why = f"the database's encoding is {encoding}: a request with a character outside it is a dead letter"
        risks.append(Risk(why, "move to a database WITH ENCODING 'UTF8'"))
    return risks
