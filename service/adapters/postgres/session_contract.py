"""What each session is set to, whatever an administrator has set for the role, the database or the server.

One statement after connecting sets it: a pooler such as PgBouncer refuses `options` in the startup packet.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from psycopg.rows import TupleRow

from service.adapters.postgres.address import Query

_OPTION: Final = re.compile(r"(?:-c\s*|--)([\w-]+)=")  # `-c name=value` or `--name=value`


class SessionSetting(NamedTuple):
    """A setting's value; one with `only_when` is left alone unless it has that value."""

    value: str
    only_when: str | None = None


# What reading, writing and the guarantees stand on: a URL cannot change it either.
_CONTRACT: Final[Mapping[str, SessionSetting]] = {
    # how values are written down, both ways
    "client_encoding": SessionSetting("UTF8"),
    "datestyle": SessionSetting("ISO, MDY"),
    "intervalstyle": SessionSetting("postgres"),
    "extra_float_digits": SessionSetting("1"),
    "bytea_output": SessionSetting("hex"),
    "array_nulls": SessionSetting("on"),
    "standard_conforming_strings": SessionSetting("on"),
    "transform_null_equals": SessionSetting("off"),
    # which objects a name means: ours are named with their schema
    "search_path": SessionSetting(""),
    "default_table_access_method": SessionSetting("heap"),
    # what a commit means, and that the ledger's triggers fire
    "synchronous_commit": SessionSetting("on", only_when="off"),
    "session_replication_role": SessionSetting("origin", only_when="replica"),
    "default_transaction_isolation": SessionSetting("read committed"),
    "default_transaction_read_only": SessionSetting("off"),
    # what ends a statement or a session: the limits below and the process's own are the only ones
    "exit_on_error": SessionSetting("off"),
    "lock_timeout": SessionSetting("0"),
    "transaction_timeout": SessionSetting("0"),
    "idle_session_timeout": SessionSetting("0"),
}

# A server leaves out what it does not know: `transaction_timeout` came with PostgreSQL 17. The time is text,
# since the session reads and writes as it was set up before.
_SET: Final = (
    "SELECT pg_catalog.count(pg_catalog.set_config(name, value, false)), "
    "pg_catalog.extract('epoch', pg_catalog.clock_timestamp())::text "
    "FROM (VALUES {rows}) AS wanted (name, value, only_when) "
    "WHERE pg_catalog.current_setting(name, true) IS NOT NULL "
    "AND coalesce(pg_catalog.current_setting(name, true) = only_when, true)"
)


def session_settings(query: Query, *, statement_seconds: float) -> dict[str, SessionSetting]:
    """Give the settings of a session, but for the limits and the time zone that the URL's `options` set."""
    limit = SessionSetting(str(round(statement_seconds * 1000)))
    ours = {
        "statement_timeout": limit,
        "idle_in_transaction_session_timeout": limit,
        "timezone": SessionSetting("UTC"),
    }
    given = query.get("options", "")
    text = (given if isinstance(given, str) else " ".join(given)).lower()
    said = {name.replace("-", "_") for name in _OPTION.findall(text)}
    return {**_CONTRACT, **{name: setting for name, setting in ours.items() if name not in said}}


def session_statement(settings: Mapping[str, SessionSetting]) -> tuple[bytes, list[str | None]]:
    """Give the one statement that makes the settings and tells the time, and its parameters."""
    rows = ", ".join(["(%s::text, %s::text, %s::text)"] * len(settings))
    return _SET.format(rows=rows).encode(), [
        text for name, setting in settings.items() for text in (name, *setting)
    ]


def time_told(row: TupleRow | None) -> datetime:
    """Read the time in what the statement returned."""
    seconds = row[1] if row else "nan"
    return datetime.fromtimestamp(float(seconds), tz=UTC)
