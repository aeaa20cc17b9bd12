"""The statements that read and change runs. Each is one round trip, commits by itself, and may be said twice.

The holder of a run says by which claim. A row that has another claim by now, or whose lease is over by the
database's clock, does not match. What became of a write without an answer is read again.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Final

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Float,
    Insert,
    Interval,
    Select,
    Text,
    Update,
    bindparam,
    case,
    cast,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.base import Executable

from domain.run import Run
from service.adapters.postgres.ledger_rows import insert_entry
from service.adapters.postgres.listener import CALLED_OFF, OUTBOX, WORK
from service.adapters.postgres.outbox_rows import insert_announcements, turn
from service.adapters.postgres.run_columns import run_columns
from service.adapters.postgres.tables import run_outputs, run_transitions, runs

NOW: Final = func.clock_timestamp()  # not now(): a statement that waited for a row must see that time passed
_LEASE_END: Final = NOW + bindparam("lease", type_=Interval)
_WAKE_WORKERS: Final = func.pg_notify(WORK, "")
_FREE: Final[Mapping[str, object]] = {"owner": None, "lease_until": None}
_NOT_WAITING: Final[Mapping[str, object]] = {"waiting_on": None, "waiting_since": None, "not_before": None}

HELD: Final = (
    runs.c.run_id == bindparam("held_run"),
    runs.c.fence == bindparam("held_fence"),
    runs.c.owner == bindparam("held_by"),
    runs.c.lease_until > NOW,
)
_HELD_IN_STATE: Final = (*HELD, runs.c.state == bindparam("held_state"))
JOBS: Final = {"pictures": runs.c.pictures_done_at, "status": runs.c.status_done_at}
_WAITING_ON: Final = bindparam("service", type_=Text)
_FAILURE: Final = bindparam("failed", type_=Text)


def held(run: Run) -> dict[str, object]:
    """The parameters that name a claim, and the state that its holder sees."""
    return {
        "held_run": run.run_id,
        "held_fence": run.fence,
        "held_by": run.owner,
        "held_state": run.state.value,
    }


def lease(seconds: float) -> dict[str, object]:
    """The parameter of a lease's length."""
    return {"lease": timedelta(seconds=seconds)}


ADD: Final = (
    postgresql.insert(runs).on_conflict_do_nothing().returning(runs.c.run_id, runs.c.payload, _WAKE_WORKERS)
)


RUNNABLE: Final = func.coalesce(runs.c.lease_until <= NOW, True) & func.coalesce(
    runs.c.not_before <= NOW, True
)


def _claim() -> Executable:
    runnable = (
        select(runs.c.run_id)
        .where(
            runs.c.model_name == bindparam("model"),
            ~runs.c.ended,
            RUNNABLE,
        )
        .order_by(runs.c.number)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("runnable")
    )
    return (
        update(runs)
        .where(runs.c.run_id == select(runnable.c.run_id).scalar_subquery())
        .values(
            fence=runs.c.fence + 1,
            owner=bindparam("worker"),
            claim_id=bindparam("claim"),
            lease_until=_LEASE_END,
        )
        .returning(*run_columns())
    )


CLAIM: Final = _claim()
RENEW: Final = update(runs).where(*HELD).values(lease_until=_LEASE_END).returning(runs.c.run_id)

_ATTEMPT_GIVEN_BACK: Final = func.greatest(runs.c.attempts - 1, 0)

# Who gives a run back was asked to end: that is no failed attempt.
RELEASE: Final = (
    update(runs).where(*HELD[:3]).values(**_FREE, attempts=_ATTEMPT_GIVEN_BACK).returning(_WAKE_WORKERS)
)
RELEASE_ALL: Final = (
    update(runs)
    .where(runs.c.owner == bindparam("worker"), ~runs.c.ended)
    .values(**_FREE)
    .returning(_WAKE_WORKERS)
)

# Compares before it counts, so that a repeat does not count twice.
BEGIN: Final = (
    update(runs)
    .where(*_HELD_IN_STATE, runs.c.attempts == bindparam("seen_attempts"))
    .values(attempts=runs.c.attempts + 1, updated_at=NOW)
    .returning(*run_columns())
)

POSTPONE: Final = (
    update(runs)
    .where(*_HELD_IN_STATE)
    .values(
        **_FREE,
        not_before=NOW + bindparam("pause", type_=Interval),
        failure=_FAILURE,
        waiting_on=_WAITING_ON,
        waiting_since=case(
            (_WAITING_ON.is_not(None), func.coalesce(runs.c.waiting_since, NOW)), else_=runs.c.waiting_since
        ),
        attempts=case((_WAITING_ON.is_not(None), _ATTEMPT_GIVEN_BACK), else_=runs.c.attempts),
        updated_at=NOW,
    )
    .returning(_WAKE_WORKERS)  # so that those who sleep learn when it comes due
)

NOTE_WAITING: Final = (
    update(runs)
    .where(*HELD)
    .values(
        failure=_FAILURE,
        waiting_on=_WAITING_ON,
        waiting_since=case((_WAITING_ON.is_not(None), func.coalesce(runs.c.waiting_since, NOW))),
        updated_at=NOW,
    )
    .returning(runs.c.run_id)
)


def _kept(source: CTE, what: str = "kept") -> postgresql.Insert:
    row = select(source.c.run_id, bindparam(f"{what}_name", type_=Text), bindparam(what, type_=Text))
    kept = postgresql.insert(run_outputs).from_select(["run_id", "name", "output"], row)
    return kept.on_conflict_do_update(
        index_elements=["run_id", "name"], set_={"output": kept.excluded.output}
    )


def _keep(values: Mapping[str, object], *where: ColumnElement[bool]) -> Executable:
    target = (
        update(runs).where(*HELD, *where).values(updated_at=NOW, **values).returning(*runs.c).cte("kept_for")
    )
    return select(*run_columns(target)).add_cte(_kept(target).cte("kept_output"))


KEEP: Final = _keep({})
# The MLflow run of record never changes once it is set; neither does what was kept with it.
KEEP_OPENED_RUN: Final = _keep(
    {"mlflow_run_id": bindparam("opened", type_=Text)},
    func.coalesce(runs.c.mlflow_run_id == bindparam("opened", type_=Text), True),
)


@cache
def advance(*, ends: bool, keeps: bool, announces: bool, enters: bool, waited: bool) -> Executable:
    """The transition with all that belongs to it, as one statement: all of it or nothing."""
    moved = _moved(ends=ends, announces=announces).cte("moved")
    parts = [_history(moved).cte("history")]
    if keeps:
        parts.append(_kept(moved).cte("kept_output"))
    if waited:
        parts.append(_kept(moved, "waits").cte("kept_waits"))
    if enters:
        parts.append(insert_entry(moved).cte("entered"))
    columns = run_columns(moved)
    if announces:
        parts.append(insert_announcements(moved, moved.c.run_id).cte("announced"))
        columns.append(func.pg_notify(OUTBOX, ""))
    return select(*columns).add_cte(*parts)


_IN_NEXT_STATE: Final[Mapping[str, object]] = {
    "state": bindparam("to_state"),
    "transitions": runs.c.transitions + 1,
    "attempts": 0,
    "failure": _FAILURE,
    "updated_at": NOW,
    **_NOT_WAITING,
}


def _cancel() -> Executable:
    """End a run under the next fence, so that its holder has lost it."""
    moved = (
        update(runs)
        .where(
            runs.c.run_id == bindparam("held_run"),
            runs.c.fence == bindparam("held_fence"),
            runs.c.state == bindparam("held_state"),
            select(turn.c.taken).scalar_subquery(),
        )
        .values(**_IN_NEXT_STATE, **_FREE, fence=runs.c.fence + 1)
        .returning(*runs.c)
        .cte("moved")
    )
    told = insert_announcements(moved, moved.c.run_id).cte("announced")
    wakes = (func.pg_notify(OUTBOX, ""), func.pg_notify(CALLED_OFF, ""))
    return select(*run_columns(moved), *wakes).add_cte(_history(moved).cte("history"), told)


def _moved(*, ends: bool, announces: bool) -> Update:
    moved = update(runs).where(*_HELD_IN_STATE)
    if announces:
        moved = moved.where(select(turn.c.taken).scalar_subquery())
    freed = _FREE if ends else {}
    return moved.values(**_IN_NEXT_STATE, **freed).returning(*runs.c)


def _history(moved: CTE) -> Insert:
    row = select(
        moved.c.run_id,
        moved.c.transitions,
        bindparam("held_state", type_=Text),
        moved.c.state,
        bindparam("outcome", type_=Text),
        moved.c.fence,
        moved.c.updated_at,
    )
    return insert(run_transitions).from_select([column.name for column in run_transitions.c], row)


CANCEL: Final = _cancel()
RECORDED_AS: Final = (
    update(runs)
    .where(runs.c.run_id == bindparam("run"), runs.c.ended, runs.c.mlflow_run_id.is_(None))
    .values(mlflow_run_id=bindparam("opened", type_=Text))
)


def job_done(job: str) -> Executable:
    """Note when a chore was done first. An unknown chore is a defect, and a KeyError."""
    column = JOBS[job]
    return update(runs).where(runs.c.run_id == bindparam("run"), column.is_(None)).values({column: NOW})


_of_this_claim: Final = (runs.c.run_id == bindparam("held_run"), runs.c.fence == bindparam("held_fence"))

BY_IDENTITY: Final = select(runs.c.run_id, runs.c.payload).where(
    runs.c.identity_digest == bindparam("digest"), runs.c.model_name == bindparam("model")
)
OWNED: Final = select(runs.c.run_id).where(runs.c.owner == bindparam("worker"), ~runs.c.ended)
HELD_NOW: Final = select(*run_columns()).where(*HELD)
CLAIMED: Final = select(*run_columns()).where(
    runs.c.claim_id == bindparam("claim"), runs.c.owner == bindparam("worker"), runs.c.lease_until > NOW
)
BEGUN: Final = select(*run_columns()).where(
    *HELD, runs.c.state == bindparam("held_state"), runs.c.attempts == bindparam("seen_attempts") + 1
)
ADVANCED: Final = select(*run_columns()).where(
    *_of_this_claim,
    select(run_transitions)
    .where(
        run_transitions.c.run_id == bindparam("held_run"),
        run_transitions.c.fence == bindparam("held_fence"),
        run_transitions.c.from_state == bindparam("held_state"),
        run_transitions.c.to_state == bindparam("to_state"),
    )
    .exists(),
)
_ENDED_BY_CANCELLING: Final = (
    select(run_transitions)
    .where(
        run_transitions.c.run_id == runs.c.run_id,
        run_transitions.c.fence == bindparam("held_fence", type_=BigInteger) + 1,
        run_transitions.c.from_state == bindparam("held_state"),
        run_transitions.c.outcome == bindparam("outcome"),
    )
    .exists()
)
CANCELLED: Final = select(*run_columns()).where(runs.c.run_id == bindparam("held_run"), _ENDED_BY_CANCELLING)
POSTPONED: Final = select(runs.c.run_id).where(
    *_of_this_claim,
    runs.c.state == bindparam("held_state"),
    runs.c.owner.is_(None),
    runs.c.failure == bindparam("failed"),
)


def _next_due() -> Select[float]:
    due = func.greatest(runs.c.lease_until, runs.c.not_before)  # ignores a null
    # What came due within the last second may have done so since the caller's claim came back empty.
    recent = NOW - cast("1 second", Interval)
    seconds = func.extract("epoch", func.min(due) - NOW)
    return select(cast(seconds, Float).label("seconds")).where(~runs.c.ended, due > recent)


NEXT_DUE: Final = _next_due()


def ended_without(job: str) -> Executable:
    """Select a model's ended runs whose chore is not done, oldest first."""
    query = select(*run_columns()).where(
        runs.c.model_name == bindparam("model"), runs.c.ended, JOBS[job].is_(None)
    )
    return query.order_by(runs.c.number).limit(bindparam("at_most"))
