"""What a test does to a database as its owner, past our own code."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from sqlalchemy.engine import make_url

from tests.harm.proxies import FaultProxy
from tests.harm.wire_formats import Postgres


def plain(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection of psycopg's; each statement commits by itself."""
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True, connect_timeout=5)


def ask(url: str, statement: str, *parameters: Any) -> Sequence[tuple[Any, ...]]:
    """Run one statement; its rows, if it has any."""
    with plain(url) as connection:
        cursor = connection.execute(statement.encode(), parameters or None)
        return cursor.fetchall() if cursor.description else ()


def as_user(url: str, user: str, password: str) -> str:
    """The same database for another user."""
    return make_url(url).set(username=user, password=password).render_as_string(hide_password=False)


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[FaultProxy, str]]:
    """A proxy before a server, and the database's URL through it."""
    direct = make_url(url)
    assert direct.port is not None
    async with FaultProxy(direct.port, Postgres(), target_host=direct.host or "127.0.0.1") as proxy:
        through = direct.set(host="127.0.0.1", port=proxy.port)
        yield proxy, through.render_as_string(hide_password=False)
