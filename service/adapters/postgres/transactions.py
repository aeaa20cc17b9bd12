"""A transaction of an operator: migrations and grants, which take their time and block their thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from service.adapters.postgres.connections import connect_arguments, parse_url
from service.adapters.postgres.errors import translate

_LONGEST_STATEMENT_SECONDS: Final = 120.0


@contextmanager
def transaction(url: str, doing: str) -> Iterator[Connection]:
    """Commit what is done in the block, all or nothing; `doing` is a verb phrase for errors.

    Raises Stop, TryLater and NeverRetry as the stores do.
    """
    parsed = parse_url(url)
    given = connect_arguments(
        parsed, application="laurel-schema", statement_seconds=_LONGEST_STATEMENT_SECONDS
    )
    engine = create_engine(parsed, connect_args=given, poolclass=NullPool, hide_parameters=True)
    try:
        with engine.begin() as connection:
            yield connection
    except (DBAPIError, psycopg.Error) as error:
        raise translate(error, doing) from error
