"""The requests that came in: claimed before they are sent, and read together with the runs they became."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    ARRAY,
    Interval,
    RowMapping,
    Text,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.base import Executable

from domain.asked_request import Ask, AskedRequest, Claim
from domain.lifecycle import State
from domain.ports.run_store import RequestFilter
from domain.run import Run
from service.adapters.postgres import listed_requests
from service.adapters.postgres.database import Database
from service.adapters.postgres.rows import dump_sorted_json, load_json
from service.adapters.postgres.run_columns import listed_columns, run_columns
from service.adapters.postgres.run_reads import NO_OUTPUTS, digest_of, run_of
from service.adapters.postgres.tables import asked_requests as asked
from service.adapters.postgres.tables import runs


class PostgresAskedRequests:
    """`domain.ports.run_store.AskedRequests` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def ping(self) -> None:
        """Ask once whether the database answers and has its tables. Raises TryLater if not."""
        await self._database.ping(NOTHING)

    async def claim(self, ask: Ask) -> Claim | None:
        """Insert it unless its id is there, or is another's run, and read what is there."""
        payload = dump_sorted_json(ask.payload)
        row = {
            "model_name": self._model,
            "request_id": ask.request_id,
            "identity_digest": digest_of(ask.identity),
            "payload": payload,
            "door": ask.door,
            "asked_by": ask.asked_by,
        }
        await self._database.rows("claim a request", CLAIM, row)
        which = {"model": self._model, "request": ask.request_id}
        found = await self._database.row("look a claim up", CLAIMED, which)
        if found is None:
            return None
        return Claim(
            payload=load_json(found["payload"]),
            asked_at=found["asked_at"],
            acknowledged=found["acknowledged_at"] is not None,
            unclear_at=found["unclear_at"],
        )

    async def left_unclear(self, ask: Ask, within_seconds: float, in_hand_seconds: float) -> str | None:
        """Look for an equal ask without an answer."""
        equal = {
            "model": self._model,
            "asked": dump_sorted_json(ask.payload),
            "by_door": ask.door,
            "by_caller": ask.asked_by,
            "age": timedelta(seconds=within_seconds),
            "in_hand": timedelta(seconds=in_hand_seconds),
        }
        row = await self._database.row("look for an unclear request", LEFT_UNCLEAR, equal)
        return None if row is None else str(row["request_id"])

    async def note_unclear(self, request_id: str) -> None:
        """Note that its caller was told so."""
        await self._note("note an unclear request", NOTE_UNCLEAR, request_id)

    async def acknowledge(self, request_id: str, unclear_at: datetime | None) -> None:
        """Note that Kafka has it."""
        await self._note("acknowledge a request", ACKNOWLEDGE, request_id, seen=unclear_at)

    async def get(self, request_id: str) -> AskedRequest | None:
        """Read one request."""
        which = {"model": self._model, "request": request_id}
        rows = await self._database.rows("read a request", ONE, which)
        return next(iter(await self._whole(rows, RUNS)), None)

    async def page(
        self, wanted: RequestFilter, limit: int, offset: int
    ) -> tuple[Sequence[AskedRequest], int]:
        """Read a page of requests, and count all of them."""
        model = {"model": self._model}
        counted = await self._database.rows("count requests", listed_requests.counted(wanted), model)
        total = int(counted[0]["total"])
        page = listed_requests.page(wanted, limit, offset, total)
        rows = await self._database.rows("read requests", page, model)
        return await self._whole(rows, LISTED_RUNS), total

    async def _note(self, doing: str, statement: Executable, request_id: str, **more: object) -> None:
        await self._database.rows(doing, statement, {"model": self._model, "request": request_id, **more})

    async def _whole(self, rows: Sequence[RowMapping], query: Executable) -> Sequence[AskedRequest]:
        ids = [row["run_id"] for row in rows if row["run_id"] is not None]
        runs = await self._runs(ids, query) if ids else {}
        return [_request(row, runs.get(row["run_id"])) for row in rows]

    async def _runs(self, ids: Sequence[str], query: Executable) -> dict[str, Run]:
        found = await self._database.rows("read runs", query, {"ids": ids, **NO_OUTPUTS})
        return {run.run_id: run for run in map(run_of, found)}


def _request(row: RowMapping, run: Run | None) -> AskedRequest:
    payload = run.payload if run is not None else load_json(row["payload"])
    asked_by = row["asked_by"] or payload.get("requested_by")
    return AskedRequest(
        request_id=row["request_id"],
        payload=payload,
        door=row["door"],
        asked_by=asked_by if isinstance(asked_by, str) else None,
        asked_at=row["asked_at"],
        run=run,
    )


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
_among: Final = runs.c.run_id == func.any(bindparam("ids", type_=ARRAY(Text)))
RUNS: Final = select(*run_columns()).where(_among)
LISTED_RUNS: Final = select(*listed_columns()).where(_among)

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
