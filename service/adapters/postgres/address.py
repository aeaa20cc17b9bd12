"""Where a database is and how each session is set, whatever an administrator has set for role or server.

The URL is read as SQLAlchemy reads it, whose import is a third of a command's work. One statement after
connecting sets the session: a pooler such as PgBouncer refuses `options` in the startup packet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, unquote

from psycopg.rows import TupleRow

from domain.errors import Stop

DRIVER: Final = "postgresql+psycopg"
_URL: Final = re.compile(
    r"""
    (?P<driver>[\w+]+)://
    (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:(?:\[(?P<bracketed>[^/?]+)\]|(?P<host>[^/:?]+))?(?::(?P<port>[^/?]*))?)?
    (?:/(?P<dbname>[^?]*))?
    (?:\?(?P<query>.*))?
    """,
    re.VERBOSE,
)
_ENCODED: Final = ("user", "password", "dbname")
_MANY_HOSTS: Final = frozenset({"host", "port"})  # in the query they can name several servers

Query = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Address:
    """A database as libpq's arguments name it; `query` is what the URL says after its question mark."""

    arguments: Mapping[str, object]
    query: Query


def read_address(url: str) -> Address:
    """Read a PostgreSQL URL, with or without a driver's name. Raises Stop for any other."""
    found = _URL.match(url)
    if found is None:
        raise bad_url("it cannot be read")
    parts = {name: text for name, text in found.groupdict().items() if text is not None}
    if (backend := parts["driver"].partition("+")[0]) not in {"postgresql", "postgres"}:
        raise bad_url(f"it names {backend!r}")
    query = _query(parts.get("query", ""))
    if query.keys() & _MANY_HOSTS:
        return Address(_arguments_by_sqlalchemy(url), query)
    return Address({**_arguments(parts), **query}, query)


def bad_url(why: str) -> Stop:
    """Refuse it without the URL itself, which may hold a password."""
    return Stop(
        "bad_database_url",
        f"the database URL is not one of PostgreSQL ({why}); "
        "write it as postgresql://user:password@host:5432/database",
    )


def _arguments(parts: Mapping[str, str]) -> dict[str, object]:
    found: dict[str, object] = {name: unquote(parts[name]) for name in _ENCODED if parts.get(name)}
    if host := parts.get("host") or parts.get("bracketed"):
        found["host"] = host
    try:
        if port := int(parts.get("port", "0")):
            found["port"] = port
    except ValueError:
        raise bad_url("it cannot be read") from None
    return found


def _query(text: str) -> Query:
    """What is said more than once becomes a tuple."""
    said: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(text):
        said[name] = (*said.get(name, ()), value)
    return {name: values if len(values) > 1 else values[0] for name, values in said.items()}


def _arguments_by_sqlalchemy(url: str) -> Mapping[str, object]:
    from sqlalchemy.engine import make_url  # noqa: PLC0415 - few name several servers, and its import is slow
    from sqlalchemy.exc import ArgumentError  # noqa: PLC0415 - likewise

    try:
        parsed = make_url(url).set(drivername=DRIVER)
        arguments: Mapping[str, object] = parsed.get_dialect()().create_connect_args(parsed)[1]
    except (ArgumentError, ValueError):
        raise bad_url("it cannot be read") from None
    return arguments


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
