"""Creating and dropping databases on a PostgreSQL server, by SQLAlchemy URL."""

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from service.adapters.postgres.address import session_settings, session_statement

_STATEMENT_SECONDS = 120.0


def database_url(url: str, database: str) -> str:
    """``url`` with another database, password included."""
    return make_url(url).set(database=database).render_as_string(hide_password=False)


def plain_url(url: str) -> str:
    """The same address without a driver's name, as `psql` and other clients take it."""
    scheme, found, rest = url.partition("://")
    return f"postgresql://{rest}" if found else scheme


def connect(url: str, seconds: int = 5) -> psycopg.Connection[tuple[object, ...]]:
    """An autocommit connection to the database that a SQLAlchemy URL names; gives up after ``seconds``."""
    parsed = make_url(url).set(drivername="postgresql")
    plain = parsed.render_as_string(hide_password=False)
    connection = psycopg.connect(plain, autocommit=True, connect_timeout=seconds)
    settings = session_settings(parsed.query, statement_seconds=_STATEMENT_SECONDS)
    del settings["search_path"]  # a setting for tables that are not ours
    connection.execute(*session_statement(settings))
    return connection


def create_database(url: str, database: str) -> str:
    """Create ``database`` on the server of ``url`` unless it is there; returns its URL."""
    with connect(url) as connection:
        known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone()
        if known is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
    return database_url(url, database)


def drop_database(url: str, database: str) -> None:
    """Drop ``database`` on the server of ``url`` if it is there, and cut off its users."""
    with connect(url) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )
