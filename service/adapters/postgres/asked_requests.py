"""The requests that came in: claimed before they are sent, and read together with their runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.sql.base import Executable

from domain.asked_request import Ask, AskedRequest, Claim
from domain.ports.run_store import RequestFilter
from domain.run import Run
from service.adapters.postgres import asked_queries as queries
from service.adapters.postgres import json_text
from service.adapters.postgres.database import Database
from service.adapters.postgres.run_reads import digest_of
from service.adapters.postgres.run_rows import NO_OUTPUTS, run_of


class PostgresAskedRequests:
    """`domain.ports.run_store.AskedRequests` of one model."""

    def __init__(self, database: Database, model_name: str) -> None:
        self._database = database
        self._model = model_name

    async def ping(self) -> None:
        """Ask once whether the database answers and has its tables. Raises TryLater if not."""
        await self._database.ping(queries.NOTHING)

    async def claim(self, ask: Ask) -> Claim | None:
        """Insert it unless its id is there, or is another's run, and read what is there."""
        payload = json_text.dump_sorted(ask.payload)
        row = {
            "model_name": self._model,
            "request_id": ask.request_id,
            "identity_digest": digest_of(ask.identity),
            "payload": payload,
            "door": ask.door,
            "asked_by": ask.asked_by,
        }
        await self._database.rows("claim a request", queries.CLAIM, row)
        which = {"model": self._model, "request": ask.request_id}
        found = await self._database.row("look a claim up", queries.CLAIMED, which)
        if found is None:
            return None
        return Claim(
            payload=json_text.load(found["payload"]),
            asked_at=found["asked_at"],
            acknowledged=found["acknowledged_at"] is not None,
            unclear_at=found["unclear_at"],
        )

    async def left_unclear(self, ask: Ask, within_seconds: float, in_hand_seconds: float) -> str | None:
        """Look for an equal ask without an answer."""
        equal = {
            "model": self._model,
            "asked": json_text.dump_sorted(ask.payload),
            "by_door": ask.door,
            "by_caller": ask.asked_by,
            "age": timedelta(seconds=within_seconds),
            "in_hand": timedelta(seconds=in_hand_seconds),
        }
        row = await self._database.row("look for an unclear request", queries.LEFT_UNCLEAR, equal)
        return None if row is None else str(row["request_id"])

    async def note_unclear(self, request_id: str) -> None:
        """Note that its caller was told so."""
        await self._note("note an unclear request", queries.NOTE_UNCLEAR, request_id)

    async def acknowledge(self, request_id: str, unclear_at: datetime | None) -> None:
        """Note that Kafka has it."""
        await self._note("acknowledge a request", queries.ACKNOWLEDGE, request_id, seen=unclear_at)

    async def get(self, request_id: str) -> AskedRequest | None:
        """Read one request."""
        which = {"model": self._model, "request": request_id}
        rows = await self._database.rows("read a request", queries.ONE, which)
        return next(iter(await self._whole(rows)), None)

    async def page(
        self, wanted: RequestFilter, limit: int, offset: int
    ) -> tuple[Sequence[AskedRequest], int]:
        """Read a page of requests, and count all of them."""
        model = {"model": self._model}
        counted = await self._database.rows("count requests", queries.count(wanted), model)
        page = queries.page(wanted).limit(limit).offset(offset)
        rows = await self._database.rows("read requests", page, model)
        return await self._whole(rows), int(counted[0]["total"])

    async def _note(self, doing: str, statement: Executable, request_id: str, **more: object) -> None:
        await self._database.rows(doing, statement, {"model": self._model, "request": request_id, **more})

    async def _whole(self, rows: Sequence[RowMapping]) -> Sequence[AskedRequest]:
        ids = [row["run_id"] for row in rows if row["run_id"] is not None]
        runs = await self._runs(ids) if ids else {}
        return [_request(row, runs.get(row["run_id"])) for row in rows]

    async def _runs(self, ids: Sequence[str]) -> dict[str, Run]:
        found = await self._database.rows("read runs", queries.RUNS, {"ids": ids, **NO_OUTPUTS})
        return {run.run_id: run for run in map(run_of, found)}


def _request(row: RowMapping, run: Run | None) -> AskedRequest:
    payload = run.payload if run is not None else json_text.load(row["payload"])
    asked_by = row["asked_by"] or payload.get("requested_by")
    return AskedRequest(
        request_id=row["request_id"],
        payload=payload,
        door=row["door"],
        asked_by=asked_by if isinstance(asked_by, str) else None,
        asked_at=row["asked_at"],
        run=run,
    )
