"""What the URL of a database says, read as SQLAlchemy reads it: its import is a third of a command's work."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

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
