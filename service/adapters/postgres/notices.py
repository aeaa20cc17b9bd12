"""Who was told of what, and what the gate said of a model before, in the order in which its runs ended."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    JSON,
    ColumnElement,
    Interval,
    ScalarSelect,
    Text,
    and_,
    bindparam,
    cast,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql

from domain.lifecycle import State
from domain.ports.notices import Claimed, NoticeClaim
from domain.run_record import RunRecord
from domain.streaks import PastVerdict
from service.adapters.postgres.database import Database
from service.adapters.postgres.rows import load_json
from service.adapters.postgres.tables import listed_requests, notifications, run_outputs, runs

_table: Final = notifications.c
_it: Final = and_(
    _table.model_name == bindparam("model"),
    _table.event_id == bindparam("event"),
    _table.channel == bindparam("told"),
)
_open: Final = and_(_table.sent_at.is_(None), _table.given_up_at.is_(None))
_mine: Final = and_(_it, _open, _table.claim_id == bindparam("claim"))

_RELEASED: Final = ""  # in the place of a claim

_INSERT: Final = postgresql.insert(notifications).values(
    model_name=bindparam("model"),
    event_id=bindparam("event"),
    channel=bindparam("told"),
    claim_id=bindparam("claim"),
    tries=1,
)
_BEGIN: Final = _INSERT.on_conflict_do_update(
    index_elements=[_table.model_name, _table.event_id, _table.channel],
    set_={
        "claim_id": _INSERT.excluded.claim_id,
        "tries": _table.tries + 1,
        "begun_at": func.clock_timestamp(),
    },
    where=and_(_open, _table.claim_id == _RELEASED),
).returning(_table.claim_id)
_BEGUN: Final = select(_table.claim_id).where(_mine)
_DROP_SILENT: Final = (
    update(notifications)
    .where(
        _it,
        _open,
        _table.claim_id != _RELEASED,
        _table.begun_at <= func.clock_timestamp() - bindparam("held", type_=Interval),
    )
    .values(given_up_at=func.clock_timestamp())
    .returning(_table.claim_id)
)
_ENDED: Final = select(_table.claim_id).where(
    _it, or_(_table.sent_at.is_not(None), _table.given_up_at.is_not(None))
)
_AGAIN: Final = (
    update(notifications)
    .where(_mine)
    .values(tries=_table.tries + 1, begun_at=func.clock_timestamp())
    .returning(_table.claim_id)
)
_SENT: Final = update(notifications).where(_mine).values(sent_at=func.clock_timestamp())
_GIVE_UP: Final = update(notifications).where(_mine).values(given_up_at=func.clock_timestamp())
_RELEASE: Final = update(notifications).where(_mine).values(claim_id=_RELEASED)


class PostgresNotices:
    """`domain.ports.notices.Notices`."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def claim(self, claim: NoticeClaim, held_seconds: float) -> Claimed:
        """Begin the first try, unless somebody did."""
        which = self._which(claim)
        if await self._database.row("claim a notice", _BEGIN, which, unless_found=_BEGUN):
            return Claimed.MINE
        silent = which | {"held": timedelta(seconds=held_seconds)}
        if await self._database.row("give up a silent notice", _DROP_SILENT, silent):
            return Claimed.UNCLEAR
        ended = await self._database.row("look a notice up", _ENDED, which)
        return Claimed.DONE if ended else Claimed.IN_HAND

    async def again(self, claim: NoticeClaim) -> bool:
        """Begin another try. Said twice after a lost answer, it counts one try too many, and no more."""
        return await self._database.row("try a notice again", _AGAIN, self._which(claim)) is not None

    async def sent(self, claim: NoticeClaim) -> None:
        """The channel took it."""
        await self._database.rows("note a notice as sent", _SENT, self._which(claim))

    async def given_up(self, claim: NoticeClaim) -> None:
        """The channel did not take it."""
        await self._database.rows("give a notice up", _GIVE_UP, self._which(claim))

    async def release(self, claim: NoticeClaim) -> None:
        """Let the next process start over."""
        await self._database.rows("release a notice", _RELEASE, self._which(claim))

    def _which(self, claim: NoticeClaim) -> dict[str, object]:
        return {
            "model": self._model,
            "event": claim.event_id,
            "told": claim.channel,
            "claim": claim.claim_id,
        }


_JUDGED: Final = ("evaluate", "decide", "compared")
_WITH_VERDICT: Final = (State.COMPLETED.value, State.DECLINED.value)
_last: Final = runs.alias("last")
_outputs: Final = (
    select(cast(func.json_object_agg(run_outputs.c.name, cast(run_outputs.c.output, JSON)), Text))
    .where(run_outputs.c.run_id == runs.c.run_id, run_outputs.c.name.in_(_JUDGED))
    .scalar_subquery()
)


def _of_last(column: ColumnElement[Any]) -> ScalarSelect[Any]:
    """What the newest of them has, if it has a verdict."""
    of_it = select(column).where(_last.c.run_id == bindparam("run"), _last.c.state.in_(_WITH_VERDICT))
    return of_it.scalar_subquery()


_UP_TO: Final = (
    select(runs.c.run_id, _outputs.label("outputs"))
    .join(listed_requests, listed_requests.c.run_id == runs.c.run_id)
    .where(
        listed_requests.c.model_name == bindparam("model"),
        listed_requests.c.end_state.in_(_WITH_VERDICT),
        listed_requests.c.ended_at <= _of_last(_last.c.updated_at),
        tuple_(listed_requests.c.ended_at, runs.c.number)
        <= tuple_(_of_last(_last.c.updated_at), _of_last(_last.c.number)),
    )
    .order_by(listed_requests.c.ended_at.desc(), runs.c.number.desc())
    .limit(bindparam("at_most"))
)


class PostgresPastVerdicts:
    """`domain.ports.notices.PastVerdicts`."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def up_to(self, run_id: str, most: int) -> Sequence[PastVerdict]:
        """Read no more than that many."""
        which = {"run": run_id, "model": self._model, "at_most": most}
        rows = await self._database.rows("read verdicts", _UP_TO, which)
        return [PastVerdict.of_run(row["run_id"], RunRecord(load_json(row["outputs"]))) for row in rows]
