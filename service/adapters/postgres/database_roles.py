"""Rights for a worker that does not own the schema: it may add to the ledger and read it, never change it.

The ledger's triggers refuse a change to everybody; but a table's owner can switch its triggers off. So
let one role own the schema and run `laurel db upgrade`, and let workers and listener connect as another.

What a server is set to that no session of ours can make good.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import text

from service.adapters.postgres.engine import transaction
from service.adapters.postgres.tables import (
    SCHEMA,
    alias_writes,
    asked_requests,
    champion_losses,
    first_uses,
    heartbeats,
    ledger_identity,
    listed_counts,
    listed_requests,
    notifications,
    outbox,
    promotion_holds,
    promotion_ledger,
    quarantines,
    remotes,
    run_outputs,
    run_transitions,
    runs,
    variables,
)

_ONLY_READ: Final = (ledger_identity, listed_counts)
_ONLY_ADDED_TO: Final = (promotion_ledger, run_transitions, first_uses)
_CHANGED: Final = (
    runs,
    run_outputs,
    outbox,
    alias_writes,
    asked_requests,
    variables,
    notifications,
    remotes,
    heartbeats,
    champion_losses,
    promotion_holds,
    quarantines,
    listed_requests,
)
_DELETED_FROM: Final = (variables, heartbeats)  # what old runs left is pruned by the owner alone


def grant_to_worker(url: str, role: str) -> None:
    """Let an existing role do what workers and the other roles do; safe to repeat. Blocks.

    `url` is that of the schema's owner. Only the owner can upgrade the schema.
    """
    with transaction(url, f"grant rights to {role!r}") as connection:
        names = connection.dialect.identifier_preparer
        worker = names.quote(role)
        read, added_to, changed, deleted_from = (
            ", ".join(names.format_table(table) for table in tables)
            for tables in (_ONLY_READ, _ONLY_ADDED_TO, _CHANGED, _DELETED_FROM)
        )
        for rights in (
            f"USAGE ON SCHEMA {SCHEMA}",
            f"SELECT ON {SCHEMA}.alembic_version",
            f"SELECT ON {read}",
            f"SELECT, INSERT ON {added_to}",
            f"SELECT, INSERT, UPDATE ON {changed}",
            f"DELETE ON {deleted_from}",
        ):
            connection.execute(text(f"GRANT {rights} TO {worker}"))


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
