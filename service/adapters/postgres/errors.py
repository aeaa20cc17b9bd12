"""PostgreSQL's errors, sorted once by the reaction that they ask for."""

import re
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoFreeConnection

from domain.errors import GenerationTaken, LaurelError, NeverRetry, Stop, TryLater

# The classes of SQLSTATE behind which the server, not the statement, is at fault: connection, rollback by the
# server, resources, operator intervention (also a statement's time limit), system, internal.
_SERVER_CLASSES: Final = ("08", "40", "53", "57", "58", "XX")
_READ_ONLY: Final = "25006"
_LOCK_TIMEOUT: Final = "55P03"
# What the value itself is at fault for, in any session: too long, out of range, letters that the database's
# encoding lacks, larger than an index takes. The rest of their classes is a session's fault, or ours.
_OF_THE_VALUE: Final = frozenset({"22001", "22003", "22021", "22P05", "54000"})
_NO_RIGHT: Final = "42501"
_SCHEMA_STATES: Final = (_NO_RIGHT, "3F000", "42P01", "42703", "42883")  # no such schema, table, column …
_GENERATION_KEY: Final = "one_entry_per_generation"
_LEDGER_STATES: Final = ("LA001", "LA002", "LA003")  # ours, raised by the ledger's triggers

# What may pass within the time that a call has: a restart, a failover, a deadlock, a moment without slots.
_PASSING: Final = ("08", "40", "57P01", "57P02", "57P03", "53300")


def unavailable(doing: str, why: str) -> TryLater:
    """The database does not answer, or says that it cannot serve."""
    return TryLater(
        "postgres_unavailable", f"PostgreSQL could not {doing}: {why}", waiting_on="postgres", why=why
    )


def is_passing(error: Exception) -> bool:
    """True when the same statement may well succeed in a moment, on another connection."""
    cause = _cause(error)
    state = _sqlstate(cause)
    if state is None:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_PASSING)


def translate(error: Exception, doing: str) -> LaurelError:
    """Name the reaction to an error of SQLAlchemy's engine or of psycopg."""
    if isinstance(error, NoFreeConnection):
        return unavailable(doing, "every connection of this process is in use")
    cause = _cause(error)
    state, why = _sqlstate(cause), _first_line(cause)
    if _is_unavailable(cause, state):
        return unavailable(doing, why)
    if state in _SCHEMA_STATES:
        mend = "grant the missing right" if state == _NO_RIGHT else "run `laurel db upgrade`"
        return Stop(
            "schema_unusable", f"the database is not as Laurel needs it: {why}; {mend}", sqlstate=state
        )
    return _refusal(cause, state, f"{doing}: {why}")


def _is_unavailable(cause: BaseException, state: str | None) -> bool:
    if state is None:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_SERVER_CLASSES) or state in {_READ_ONLY, _LOCK_TIMEOUT}


def _refusal(cause: BaseException, state: str | None, what: str) -> LaurelError:
    if isinstance(cause, psycopg.IntegrityError) and cause.diag.constraint_name == _GENERATION_KEY:
        return GenerationTaken("generation_taken", "this generation is in the ledger already")
    if state in _LEDGER_STATES:
        return NeverRetry("ledger_broken", f"the promotion ledger refused to {what}; audit it")
    if state in _OF_THE_VALUE or _is_unsendable(cause, state):
        return NeverRetry("not_storable", f"PostgreSQL cannot hold what it was given to {what}")
    return NeverRetry("postgres_refused", f"PostgreSQL refused to {what}", sqlstate=state)


def _is_unsendable(cause: BaseException, state: str | None) -> bool:
    """True for a value that psycopg itself could not put on the wire."""
    return state is None and isinstance(cause, UnicodeEncodeError | psycopg.DataError)


def _cause(error: Exception) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _sqlstate(cause: BaseException) -> str | None:
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def _first_line(cause: BaseException) -> str:
    """The server's sentence, without DETAIL, which quotes rows, and without the password of a URL."""
    line = str(cause).partition("\n")[0].strip() or type(cause).__name__
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", line)
