"""PostgreSQL's errors, sorted once by the reaction that they ask for.

Never to be tried again is only what is wrong with a value that was given. For all else the process waits, or
stops: a request is not at fault for the state of a server, a pooler, a right or a table.
"""

import re
from typing import Final

import psycopg

from domain.errors import GenerationTaken, LaurelError, NeverRetry, PromotionBarred, Stop, TryLater

# A prepared statement that is not there, is there twice, or was planned for another table: a pooler gave the
# session to another client, or the schema was changed.
_MIXED_UP: Final = ("26000", "42P05", "0A000")
# The states of which the server, not the statement, is the cause: connection, transaction, rollback by the
# server, resources, object in use, operator intervention (also a statement's time limit), system, internal.
_SERVER_STATES: Final = ("08", "25", "40", "53", "55", "57", "58", "XX", *_MIXED_UP)
_NO_RIGHT: Final = "42501"
_SCHEMA_CLASSES: Final = ("42", "3F")  # no such schema, table, column, right …
# What the value itself is at fault for, in any session: too long, out of range, letters that the database's
# encoding lacks, larger than an index takes. The rest of their classes is a session's fault, or ours.
_OF_THE_VALUE: Final = frozenset({"22001", "22003", "22021", "22P05", "54000"})
_NUMBERING: Final = ("varsup.c", "multixact.c")  # of class 54 too, when the server has used its numbers up
_GENERATION_KEY: Final = "one_entry_per_generation"
_LEDGER_STATES: Final = ("LA001", "LA002", "LA003")  # ours, raised by the ledger's triggers

# Ours too: a person does not let this promotion in.
_BARS: Final = {"57LA4": "promotions_held", "57LA5": "recipe_quarantined"}

# What may pass within the time that a call has: a restart, a failover, a deadlock, a moment without slots, a
# session that was ended or mixed up.
_PASSING: Final = ("08", "25P", "40", "57P01", "57P02", "57P03", "57P05", "53300", *_MIXED_UP)
_OTHER_CONNECTION: Final = ("25", *_MIXED_UP)

_STARTUP_REFUSED: Final = re.compile(r"unsupported startup parameter(?: in options)?:? *(\S+)", re.IGNORECASE)


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
        return _is_lost(cause) and _startup_parameter(cause) is None
    return _ended_the_session(cause) or state.startswith(_PASSING)


def needs_another_connection(error: BaseException) -> bool:
    """True when the session is unfit though the connection stands: read-only, in a transaction, mixed up."""
    return (_sqlstate(error) or "").startswith(_OTHER_CONNECTION)


def translate(error: Exception, doing: str) -> LaurelError:
    """Name the reaction to an error of SQLAlchemy's engine or of psycopg."""
    cause = _cause(error)
    state, why = _sqlstate(cause), _first_line(cause)
    if parameter := _startup_parameter(cause):
        return _startup_refused(parameter)
    if state in _BARS:
        return PromotionBarred(_BARS[state], f"PostgreSQL refused to {doing}: {why}")
    if _is_lost(cause) if state is None else _is_of_the_server(cause, state):
        return unavailable(doing, why)
    if state is not None and state.startswith(_SCHEMA_CLASSES):
        return _schema_unusable(state, why)
    return _refusal(cause, state, doing, why)


def _is_lost(cause: BaseException) -> bool:
    """Of an error without a state: true for what happened to the connection."""
    return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)


def _is_of_the_server(cause: BaseException, state: str) -> bool:
    """Whatever ends the session is, and so is a server that gives out no more numbers for transactions."""
    out_of_numbers = isinstance(cause, psycopg.Error) and cause.diag.source_file in _NUMBERING
    return out_of_numbers or _ended_the_session(cause) or state.startswith(_SERVER_STATES)


def _ended_the_session(cause: BaseException) -> bool:
    """Say so of whatever class: what a value is at fault for ends a statement, never a session."""
    return isinstance(cause, psycopg.Error) and cause.diag.severity_nonlocalized in {"FATAL", "PANIC"}


def _startup_parameter(cause: BaseException) -> str | None:
    """Give the name of what a pooler refused in the packet that opens a connection."""
    found = _STARTUP_REFUSED.search(str(cause))
    return found[1] if found else None


def _startup_refused(parameter: str) -> Stop:
    return Stop(
        "startup_parameter_refused",
        f"a pooler refuses the startup parameter {parameter!r}: remove it from DATABASE_URL and of libpq's "
        "own variables (such as PGOPTIONS), or list it in the pooler's ignore_startup_parameters",
        parameter=parameter,
    )


def _schema_unusable(state: str, why: str) -> Stop:
    fix = "grant the missing right" if state == _NO_RIGHT else "run `laurel db upgrade`"
    return Stop(
        "schema_unusable", f"the database does not match Laurel's schema: {why}; {fix}", sqlstate=state
    )


def _refusal(cause: BaseException, state: str | None, doing: str, why: str) -> LaurelError:
    if isinstance(cause, psycopg.IntegrityError) and cause.diag.constraint_name == _GENERATION_KEY:
        return GenerationTaken("generation_taken", "this generation is in the ledger already")
    if state in _LEDGER_STATES:
        return NeverRetry("ledger_broken", f"the promotion ledger refused to {doing}: {why}; audit it")
    if _is_about_the_value(cause, state):
        return NeverRetry("not_storable", f"PostgreSQL cannot store the values to {doing}: {why}")
    return TryLater(
        "postgres_refused",
        f"PostgreSQL refused to {doing}: {why}",
        waiting_on="postgres",
        sqlstate=state,
    )


def _is_about_the_value(cause: BaseException, state: str | None) -> bool:
    if state is None:
        return isinstance(cause, UnicodeEncodeError | psycopg.DataError)
    return state in _OF_THE_VALUE


def _cause(error: Exception) -> BaseException:
    wrapped = getattr(error, "orig", None)  # so SQLAlchemy's engine names psycopg's own
    return wrapped if isinstance(wrapped, BaseException) else error


def _sqlstate(cause: BaseException) -> str | None:
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def _first_line(cause: BaseException) -> str:
    """The server's sentence, without DETAIL, which quotes rows, and without the password of a URL."""
    line = str(cause).partition("\n")[0].strip() or type(cause).__name__
    return re.sub(r"(://[^:/@\s]*):[^@\s]*@", r"\1:***@", line)
