"""The statements that read runs: for people, and to learn what became of a write without an answer."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Float, Interval, Select, bindparam, cast, func, or_, select

from domain.lifecycle import State
from service.adapters.postgres.run_rows import run_columns
from service.adapters.postgres.run_statements import CHORES, HELD, NOW
from service.adapters.postgres.tables import run_transitions, runs

_AT_MOST: Final = 100  # more runs than a person reads

_of_this_claim: Final = (runs.c.run_id == bindparam("held_run"), runs.c.fence == bindparam("held_fence"))

GET: Final = select(*run_columns()).where(runs.c.run_id == bindparam("run"))
BY_IDENTITY: Final = select(runs.c.run_id, runs.c.payload).where(
    runs.c.identity_digest == bindparam("digest"), runs.c.model_name == bindparam("model")
)
FIND: Final = (
    select(*run_columns())
    .where(
        or_(
            runs.c.run_id.like(bindparam("pattern"), escape="\\"),
            runs.c.identity_digest == bindparam("digest"),
            runs.c.mlflow_run_id == bindparam("text"),
        )
    )
    .order_by(runs.c.number.desc())
    .limit(_AT_MOST)
)
HISTORY: Final = (
    select(run_transitions)
    .where(run_transitions.c.run_id == bindparam("run"))
    .order_by(run_transitions.c.seq)
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
POSTPONED: Final = select(runs.c.run_id).where(
    *_of_this_claim,
    runs.c.state == bindparam("held_state"),
    runs.c.owner.is_(None),
    runs.c.failure == bindparam("failed"),
)


def _next_due() -> Select[Any]:
    due = func.greatest(runs.c.lease_until, runs.c.not_before)  # ignores a null
    # What came due within the last second may have done so since the caller's claim came back empty.
    recent = NOW - cast("1 second", Interval)
    seconds = func.extract("epoch", func.min(due) - NOW)
    return select(cast(seconds, Float).label("seconds")).where(~runs.c.ended, due > recent)


NEXT_DUE: Final = _next_due()


def recent(states: Sequence[State], *, unfinished: bool) -> Select[Any]:
    """Select a model's newest runs, in certain states or not ended if so asked."""
    query = select(*run_columns()).where(runs.c.model_name == bindparam("model"))
    if states:
        query = query.where(runs.c.state.in_([state.value for state in states]))
    if unfinished:
        query = query.where(~runs.c.ended)
    return query.order_by(runs.c.number.desc()).limit(bindparam("at_most"))


def ended_without(chore: str) -> Select[Any]:
    """Select a model's ended runs whose chore is not done, oldest first."""
    query = select(*run_columns()).where(
        runs.c.model_name == bindparam("model"), runs.c.ended, CHORES[chore].is_(None)
    )
    return query.order_by(runs.c.number).limit(bindparam("at_most"))
