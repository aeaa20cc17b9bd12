"""The statements by which a worker reads runs, also to learn what became of a write without an answer."""

from typing import Final

from sqlalchemy import BigInteger, Float, Interval, Select, bindparam, cast, func, select
from sqlalchemy.sql.base import Executable

from service.adapters.postgres.run_columns import run_columns
from service.adapters.postgres.run_statements import HELD, JOBS, NOW
from service.adapters.postgres.tables import run_transitions, runs

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
