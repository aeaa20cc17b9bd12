"""What each session is set to, whatever an administrator has set for the role, the database or the server.

One statement after connecting sets it: a pooler such as PgBouncer refuses `options` in the startup packet.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy.engine import URL

_OPTION: Final = re.compile(r"(?:-c\s*|--)([\w-]+)=")  # `-c name=value` or `--name=value`


class Setting(NamedTuple):
    """A setting's value; one with `only_when` is left alone unless it has that value."""

    value: str
    only_when: str | None = None


# What reading, writing and the guarantees stand on: a URL cannot change it either.
_CONTRACT: Final[Mapping[str, Setting]] = {
    # how values are written down, both ways
    "client_encoding": Setting("UTF8"),
    "datestyle": Setting("ISO, MDY"),
    "intervalstyle": Setting("postgres"),
    "extra_float_digits": Setting("1"),
    "bytea_output": Setting("hex"),
    "array_nulls": Setting("on"),
    "standard_conforming_strings": Setting("on"),
    "transform_null_equals": Setting("off"),
    # which objects a name means: ours are named with their schema
    "search_path": Setting(""),
    "default_table_access_method": Setting("heap"),
    # what a commit means, and that the ledger's triggers fire
    "synchronous_commit": Setting("on", only_when="off"),
    "session_replication_role": Setting("origin", only_when="replica"),
    "default_transaction_isolation": Setting("read committed"),
    "default_transaction_read_only": Setting("off"),
    # what ends a statement or a session: the limits below and the process's own are the only ones
    "exit_on_error": Setting("off"),
    "lock_timeout": Setting("0"),
    "transaction_timeout": Setting("0"),
    "idle_session_timeout": Setting("0"),
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


def session_settings(url: URL, *, statement_seconds: float) -> dict[str, Setting]:
    """Give the settings of a session, but for the limits and the time zone that the URL's `options` set."""
    limit = Setting(str(round(statement_seconds * 1000)))
    ours = {
        "statement_timeout": limit,
        "idle_in_transaction_session_timeout": limit,
        "timezone": Setting("UTC"),
    }
    given = url.query.get("options", "")
    text = (given if isinstance(given, str) else " ".join(given)).lower()
    said = {name.replace("-", "_") for name in _OPTION.findall(text)}
    return {**_CONTRACT, **{name: setting for name, setting in ours.items() if name not in said}}


def session_statement(settings: Mapping[str, Setting]) -> tuple[bytes, list[str | None]]:
    """Give the one statement that makes the settings and tells the time, and its parameters."""
    rows = ", ".join(["(%s::text, %s::text, %s::text)"] * len(settings))
    return _SET.format(rows=rows).encode(), [
        text for name, setting in settings.items() for text in (name, *setting)
    ]


def time_told(row: tuple[Any, ...] | None) -> datetime:
    """Read the time in what the statement returned."""
    seconds = row[1] if row else "nan"
    return datetime.fromtimestamp(float(seconds), tz=UTC)
