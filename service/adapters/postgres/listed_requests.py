"""Which requests a list shows, in which order, and how many there are: from narrow rows, by their indexes.

Triggers keep the rows, and a count of those that have ended; those that have not are seldom many.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.sql.selectable import FromClause

from domain.lifecycle import ENDS, State
from domain.ports.run_store import RequestFilter
from service.adapters.postgres.tables import asked_requests as asked
from service.adapters.postgres.tables import listed_counts as counts
from service.adapters.postgres.tables import listed_requests as listed
from service.adapters.postgres.tables import runs

_BY_KAFKA: Final[ColumnElement[str]] = literal_column("'kafka'")  # the `door` of a run that came in by no API
_KEY: Final = (listed.c.model_name, listed.c.asked_at, listed.c.request_id, listed.c.door)
_of_model: Final = listed.c.model_name == bindparam("model")
_goes_on: Final = listed.c.end_state.is_(None)
_read: Final = listed.outerjoin(runs, runs.c.run_id == listed.c.run_id)
_state: Final = func.coalesce(runs.c.state, literal_column(f"'{State.REQUESTED}'"))
_changed_at: Final = func.coalesce(runs.c.updated_at, listed.c.asked_at)

# So many are sorted at once: they may lie together, far from where a walk in the order of the list begins.
_FEW: Final = 50_000

Span = tuple[datetime | None, datetime | None]


def counted(wanted: RequestFilter) -> Select[Any]:
    """Count them: those that have ended by their counts, unless times are asked about."""
    if _asks_for_times(wanted):
        return select(func.count().label("total")).select_from(_wanted(wanted))
    ended = select(func.coalesce(func.sum(counts.c.requests), 0)).where(
        counts.c.model_name == bindparam("model"),
        *_through(counts, wanted),
        *_one_of(counts.c.end_state, wanted.states),
    )
    return select((ended.scalar_subquery() + _number_of(_unfinished(wanted))).label("total"))


def page(wanted: RequestFilter, limit: int, offset: int, total: int) -> Select[Any]:
    """Select a page in the order that is wanted, with what was asked; `total` is what `counted` said.

    The far half is read from its own end, so that no more than half of them are passed over; what is passed
    over is read in an index alone.
    """
    left = max(0, min(limit, total - offset))
    from_the_end = offset > total // 2
    passed_over = total - offset - left if from_the_end else offset
    every = _wanted(wanted)
    if total <= _FEW and _asks_for_times(wanted):
        every = select(*select(every).cte("few").prefix_with("MATERIALIZED").c).subquery("every")
    ordered = _in_order(select(every), every, newest_first=wanted.newest_first != from_the_end)
    keys = ordered.limit(left).offset(max(0, passed_over)).subquery("page")
    its_row = and_(*(listed.c[key.name] == keys.c[key.name] for key in _KEY))
    its_ask = and_(
        asked.c.model_name == keys.c.model_name,
        asked.c.request_id == keys.c.request_id,
        keys.c.door != _BY_KAFKA,
    )
    shown = select(*_KEY, listed.c.run_id, asked.c.payload, asked.c.asked_by).select_from(
        keys.join(listed, its_row).outerjoin(asked, its_ask)
    )
    return _in_order(shown, keys, newest_first=wanted.newest_first)


def _in_order(query: Select[Any], rows: FromClause, *, newest_first: bool) -> Select[Any]:
    keys = (rows.c.asked_at, rows.c.request_id)
    return query.order_by(*(key.desc() if newest_first else key for key in keys))


def _wanted(wanted: RequestFilter) -> FromClause:
    """Select all of them. Those without an end are asked for their runs only where it matters."""
    if not wanted.states and _updated(wanted) == (None, None):
        every = select(*_KEY).where(*_listed(wanted), *_within(listed.c.ended_at, _ended(wanted)))
        return every.subquery("every")
    ended = select(*_KEY).where(
        *_listed(wanted),
        listed.c.end_state.is_not(None),
        *_one_of(listed.c.end_state, wanted.states),
        *_within(listed.c.ended_at, _ended(wanted)),
        *_within(listed.c.ended_at, _updated(wanted)),
    )
    if _ended(wanted) != (None, None) or (wanted.states and ENDS.issuperset(wanted.states)):
        return ended.subquery("every")
    return union_all(ended, _unfinished(wanted)).subquery("every")


def _unfinished(wanted: RequestFilter) -> Select[Any]:
    """Select those of them that have not ended."""
    return (
        select(*_KEY)
        .select_from(_read)
        .where(
            *_listed(wanted),
            _goes_on,
            *_one_of(_state, wanted.states),
            *_within(_changed_at, _updated(wanted)),
        )
    )


def _asks_for_times(wanted: RequestFilter) -> bool:
    return any(at is not None for span in (_asked(wanted), _ended(wanted), _updated(wanted)) for at in span)


def _number_of(query: Select[Any]) -> ScalarSelect[Any]:
    return select(func.count()).select_from(query.subquery()).scalar_subquery()


def _listed(wanted: RequestFilter) -> Iterator[ColumnElement[bool]]:
    yield _of_model
    yield from _through(listed, wanted)
    yield from _within(listed.c.asked_at, _asked(wanted))


def _through(rows: FromClause, wanted: RequestFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.interfaces:
        yield rows.c.door.in_(wanted.interfaces)


def _one_of(column: ColumnElement[Any], states: Iterable[State]) -> Iterator[ColumnElement[bool]]:
    """Spelt out in the statement, so that the plan is made for how many there are of each."""
    names: list[ColumnElement[str]] = [literal_column(f"'{state.value}'") for state in states]
    if names:
        yield column.in_(names)


def _within(column: ColumnElement[datetime], span: Span) -> Iterator[ColumnElement[bool]]:
    since, until = span
    if since is not None:
        yield column >= since
    if until is not None:
        yield column <= until


def _asked(wanted: RequestFilter) -> Span:
    return wanted.since, wanted.until


def _ended(wanted: RequestFilter) -> Span:
    return wanted.ended_since, wanted.ended_until


def _updated(wanted: RequestFilter) -> Span:
    return wanted.updated_since, wanted.updated_until
