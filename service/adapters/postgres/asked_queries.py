"""Statements that read and write asked requests, together with the runs that they became."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Interval,
    Select,
    Text,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql

from domain.lifecycle import State
from domain.ports.run_store import RequestFilter
from service.adapters.postgres.run_columns import run_columns
from service.adapters.postgres.tables import asked_requests as asked
from service.adapters.postgres.tables import runs

_this: Final = (asked.c.model_name == bindparam("model"), asked.c.request_id == bindparam("request"))
_same_request: Final = (asked.c.identity_digest == runs.c.identity_digest) & (
    asked.c.model_name == runs.c.model_name
)
_FIRST: Final = literal(State.REQUESTED.value, Text)
_BY_KAFKA: Final = "kafka"  # the `door` of a run that came in by no API

_CLAIMED: Final = ("model_name", "request_id", "identity_digest", "payload", "door", "asked_by")
_is_anothers_run: Final = (
    select(runs.c.run_id)
    .where(
        runs.c.run_id == bindparam("request_id", type_=Text),
        runs.c.model_name == bindparam("model_name", type_=Text),
        runs.c.identity_digest != bindparam("identity_digest", type_=Text),
    )
    .exists()
)
CLAIM: Final = (
    postgresql.insert(asked)
    .from_select(
        _CLAIMED, select(*(bindparam(name, type_=Text) for name in _CLAIMED)).where(~_is_anothers_run)
    )
    .on_conflict_do_nothing()
)
CLAIMED: Final = select(asked).where(*_this)
NOTHING: Final = select(asked.c.request_id).limit(0)
_recently: Final = func.clock_timestamp() - bindparam("age", type_=Interval)
_is_abandoned: Final = (
    asked.c.acknowledged_at.is_(None)
    & (asked.c.asked_at > _recently)
    & (asked.c.asked_at < func.clock_timestamp() - bindparam("in_hand", type_=Interval))
)
LEFT_UNCLEAR: Final = (
    select(asked.c.request_id)
    .where(
        asked.c.model_name == bindparam("model"),
        or_(asked.c.unclear_at > _recently, _is_abandoned),
        asked.c.payload == bindparam("asked"),
        asked.c.door == bindparam("by_door"),
        asked.c.asked_by == bindparam("by_caller"),
    )
    .order_by(asked.c.asked_at)
    .limit(1)
)
NOTE_UNCLEAR: Final = update(asked).where(*_this).values(unclear_at=func.clock_timestamp())
# Only what a repeat has seen is settled by it: a first answer that comes late leaves the mark of its 503.
ACKNOWLEDGE: Final = (
    update(asked)
    .where(*_this)
    .values(
        acknowledged_at=func.coalesce(asked.c.acknowledged_at, func.clock_timestamp()),
        unclear_at=func.nullif(asked.c.unclear_at, bindparam("seen", type_=asked.c.unclear_at.type)),
    )
)
RUNS: Final = select(*run_columns()).where(runs.c.run_id == func.any(bindparam("ids", type_=ARRAY(Text))))

_changes: Final = (runs.c.updated_at, case((runs.c.ended, runs.c.updated_at)).label("ended_at"))

# A run, under the id that its API gave it, or its own.
_stored: Final = (
    select(
        func.coalesce(asked.c.request_id, runs.c.run_id).label("request_id"),
        runs.c.run_id,
        runs.c.state,
        runs.c.payload,
        func.coalesce(asked.c.door, literal(_BY_KAFKA)).label("door"),
        asked.c.asked_by,
        func.coalesce(asked.c.asked_at, runs.c.requested_at).label("asked_at"),
        *_changes,
    )
    .select_from(runs.outerjoin(asked, _same_request))
    .where(runs.c.model_name == bindparam("model"))
)
# What Kafka has and no worker has read yet.
_on_its_way: Final = select(
    asked.c.request_id,
    null().label("run_id"),
    _FIRST.label("state"),
    asked.c.payload,
    asked.c.door,
    asked.c.asked_by,
    asked.c.asked_at,
    asked.c.asked_at.label("updated_at"),
    null().label("ended_at"),
).where(
    asked.c.model_name == bindparam("model"),
    asked.c.acknowledged_at.is_not(None),
    ~select(runs.c.run_id).where(_same_request).exists(),
)
_all: Final = union_all(_stored, _on_its_way).subquery("requests")

# Each half finds its row by an index. Where a caller took a run's id for a key, before that was refused, what
# was asked for under an id comes before its run.
_by_request: Final = (
    select(
        asked.c.request_id,
        runs.c.run_id,
        func.coalesce(runs.c.state, _FIRST).label("state"),
        asked.c.payload,
        asked.c.door,
        asked.c.asked_by,
        asked.c.asked_at,
        *_changes,
        literal(0).label("place"),
    )
    .select_from(asked.outerjoin(runs, _same_request))
    .where(*_this, or_(asked.c.acknowledged_at.is_not(None), runs.c.run_id.is_not(None)))
)
_by_run: Final = _stored.add_columns(literal(1).label("place")).where(runs.c.run_id == bindparam("request"))
_found: Final = union_all(_by_request, _by_run).subquery("found")
ONE: Final = select(_found).order_by(_found.c.place).limit(1)


def page(wanted: RequestFilter) -> Select[object]:
    """Select the wanted requests in their order."""
    order = _all.c.asked_at.desc() if wanted.newest_first else _all.c.asked_at
    return _filtered(select(_all), wanted).order_by(order, _all.c.request_id)


def count(wanted: RequestFilter) -> Select[object]:
    """Count them."""
    return _filtered(select(func.count().label("total")).select_from(_all), wanted)


def _filtered(query: Select[object], wanted: RequestFilter) -> Select[object]:
    if wanted.states:
        query = query.where(_all.c.state.in_([state.value for state in wanted.states]))
    if wanted.interfaces:
        query = query.where(_all.c.door.in_(wanted.interfaces))
    for column, since, until in _spans(wanted):
        if since is not None:
            query = query.where(column >= since)
        if until is not None:
            query = query.where(column <= until)
    return query


def _spans(
    wanted: RequestFilter,
) -> Iterator[tuple[ColumnElement[datetime], datetime | None, datetime | None]]:
    yield _all.c.asked_at, wanted.since, wanted.until
    yield _all.c.ended_at, wanted.ended_since, wanted.ended_until
    yield _all.c.updated_at, wanted.updated_since, wanted.updated_until
