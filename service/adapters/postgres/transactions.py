"""A transaction of an operator: migrations and grants, which take their time and block their thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.adapters.postgres.connections import connect_arguments
from service.adapters.postgres.engine import engine_url
from service.adapters.postgres.errors import translate
from service.adapters.postgres.session_contract import session_settings, session_statement

_LONGEST_STATEMENT_SECONDS: Final = 120.0


@contextmanager
def transaction(url: str, doing: str) -> Iterator[Connection]:
    """Commit what is done in the block, all or nothing; `doing` is a verb phrase for errors.

    Raises Stop, TryLater and NeverRetry as the stores do.
    """
    parsed = engine_url(url)
    given = connect_arguments(parsed.query, application="laurel-schema")
    settings = session_settings(parsed.query, statement_seconds=_LONGEST_STATEMENT_SECONDS)

    def begin_session(opened: psycopg.Connection[TupleRow], _: object) -> None:
        opened.execute(*session_statement(settings))
        opened.commit()

    engine = create_engine(parsed, connect_args=given, poolclass=NullPool, hide_parameters=True)
    event.listen(engine, "connect", begin_session, insert=True)  # before the engine itself asks anything
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        raise translate(error, doing) from error
