"""How announcements get into the outbox: in turn, so that the order of `seq` is the order of commits."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Text,
    bindparam,
    cast,
    func,
    null,
    select,
    true,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.selectable import FromClause

from domain.announcement import Announcement
from domain.errors import IllegalTransition
from domain.events import ModelPromoted
from domain.ports.messages import OutboxRow
from service.adapters.postgres.listener import OUTBOX
from service.adapters.postgres.rows import Row, dump_json
from service.adapters.postgres.tables import outbox
from service.adapters.postgres.told_events import FIELDS, announcement_of

# A sequence gives its numbers out before the commit: without this lock, row 6 could be read and sent while
# row 5 is still on its way. Held until the commit, which follows at once since a statement is a transaction.
# Every writer takes it before it touches a row, so nobody waits in a circle. NOTIFY makes commits queue up
# in the same way, so it costs nothing more.
turn: Final = (
    select(func.pg_advisory_xact_lock(func.hashtextextended("laurel/outbox", 0)).is_not(None).label("taken"))
    .cte("turn")
    .prefix_with("MATERIALIZED")
)


def insert_announcements(
    source: FromClause,
    run_id: ColumnElement[str],
    generation: ColumnElement[int] | None = None,
    *,
    place: ColumnElement[int] | None = None,
) -> postgresql.Insert:
    """Insert the announcements of `announcement_parameters`, in their order, for each row of `source`.

    With `place`, a row has only the one that stands there, counted from 1. One that is there already stays
    as it is: an id is derived from what happened, so it says the same.
    """
    told = _told()
    columns: dict[str, ColumnElement[str] | ColumnElement[int]] = {
        "run_id": run_id,
        "generation": cast(null(), BigInteger) if generation is None else generation,
        **{name: told.c[name] for name in FIELDS},
    }
    belongs = true() if place is None else told.c.place == place
    rows = select(*columns.values()).select_from(source.join(told, belongs)).order_by(told.c.place)
    return postgresql.insert(outbox).from_select(list(columns), rows).on_conflict_do_nothing()


def _told() -> FromClause:
    arrays = (bindparam(f"told_{name}", type_=ARRAY(Text)) for name in FIELDS)
    table = func.unnest(*arrays).table_valued(*FIELDS, with_ordinality="place", name="told")
    return table.render_derived()


# For one that belongs to no run's transition; whoever relays is woken.
ADD_ALONE: Final = insert_announcements(turn, cast(null(), Text)).returning(func.pg_notify(OUTBOX, ""))


def announcement_parameters(announcements: Sequence[Announcement]) -> dict[str, list[str]]:
    """The arrays that `insert_announcements` reads."""
    rows = [_texts(announcement) for announcement in announcements]
    return {f"told_{name}": [row[name] for row in rows] for name in FIELDS}


def _texts(announcement: Announcement) -> dict[str, str]:
    texts = {name: getattr(announcement, name) for name in FIELDS if name != "headers"}
    return texts | {"headers": dump_json(announcement.headers)}


def outbox_row(row: Row) -> OutboxRow:
    """Make a row of the outbox an announcement again, with its place."""
    return OutboxRow(seq=row["seq"], run_id=row["run_id"], announcement=announcement_of(row))


def refuse_promotions(announcements: Sequence[Announcement]) -> None:
    """A generation is announced by the ledger alone, which knows its turn: anything else is a defect."""
    if any(announcement.topic == ModelPromoted.topic for announcement in announcements):
        raise IllegalTransition(
            "announced_elsewhere", "model.promoted is announced through the promotion ledger alone"
        )
