"""Who was champion when, in plain SQL; each question is answered by an index."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from domain.events import InferenceDiverged, InferenceReloaded
from domain.history import Reign
from service.adapters.postgres.ledger_reads import entry_of
from service.adapters.postgres.rows import Row, RowSource, load_json

_MOST_OF_A_VERSION: Final = 20
# Above every generation there is.
_NONE_BEFORE: Final = 2**62

_REIGN: Final = """
    SELECT content, model_digest, since, (
        SELECT after.since FROM laurel.promotion_ledger AS after
        WHERE after.model_name = entry.model_name AND after.generation > entry.generation
        ORDER BY after.generation LIMIT 1
    ) AS until
    FROM laurel.promotion_ledger AS entry
    WHERE model_name = %(model)s::text
"""
_AT: Final = f"""
    {_REIGN} AND since <= %(at)s::timestamptz
    ORDER BY since DESC, generation DESC LIMIT 1
"""
_PAGE: Final = f"""
    {_REIGN} AND generation < %(before)s::bigint
    ORDER BY generation DESC LIMIT %(at_most)s::integer
"""
_PAGE_SINCE: Final = f"""
    {_REIGN} AND generation < %(before)s::bigint AND generation >= coalesce((
        SELECT first.generation FROM laurel.promotion_ledger AS first
        WHERE first.model_name = %(model)s::text AND first.since <= %(since)s::timestamptz
        ORDER BY first.since DESC, first.generation DESC LIMIT 1
    ), 0)
    ORDER BY generation DESC LIMIT %(at_most)s::integer
"""  # noqa: S608 - constants of ours
_GENERATION: Final = f"{_REIGN} AND generation = %(generation)s::bigint"
_OF_VERSION: Final = f"""
    {_REIGN} AND version = %(version)s::bigint
    ORDER BY generation DESC LIMIT {_MOST_OF_A_VERSION}
"""
_SHOWN: Final = """
    SELECT created_at FROM laurel.outbox WHERE key = %(model)s::text AND generation = %(generation)s::bigint
"""
_OF_REPLICAS: Final = """
    SELECT topic, body FROM laurel.outbox
    WHERE key = %(model)s::text AND laurel.told_generation(body) = %(generation)s::bigint
        AND topic IN ('inference.reloaded', 'inference.diverged')
    ORDER BY seq LIMIT 100
"""
_LOSSES: Final = """
    SELECT noticed_at FROM laurel.champion_losses
    WHERE model_name = %(model)s::text AND generation = %(generation)s::bigint
    ORDER BY number
"""
_ACCEPTED: Final = """
    SELECT asked_at FROM laurel.asked_requests
    WHERE model_name = %(model)s::text AND request_id = %(request)s::text
"""
_ASKED: Final = "SELECT run_id, payload FROM laurel.runs WHERE run_id = ANY (%(runs)s::text[])"


class PostgresChampionHistory:
    """`domain.ports.champion_history.ChampionHistory`."""

    def __init__(self, database: RowSource, model_name: str) -> None:
        self._asked = database
        self._of_model = model_name

    async def page(
        self, limit: int, *, before: int | None = None, since: datetime | None = None
    ) -> Sequence[Reign]:
        """Read so many, newest first."""
        wanted = {"before": _NONE_BEFORE if before is None else before, "at_most": limit}
        if since is None:
            return await self._reigns("read the history", _PAGE, wanted)
        return await self._reigns("read the history", _PAGE_SINCE, {**wanted, "since": since})

    async def at(self, moment: datetime) -> Reign | None:
        """Look who reigned then."""
        return await self._one("look for a champion", _AT, {"at": moment})

    async def generation(self, number: int) -> Reign | None:
        """Read one generation."""
        return await self._one("read a generation", _GENERATION, {"generation": number})

    async def of_version(self, version: int) -> Sequence[Reign]:
        """Read the newest generations of a version."""
        return await self._reigns("look for a version", _OF_VERSION, {"version": version})

    async def shown_at(self, generation: int) -> datetime | None:
        """Look for its row in the outbox."""
        rows = await self._of_generation("look for an announcement", _SHOWN, generation)
        return next((_utc(row["created_at"]) for row in rows), None)

    async def replicas(self, generation: int) -> Sequence[InferenceReloaded | InferenceDiverged]:
        """Read the reports of the reload listeners."""
        rows = await self._of_generation("look for reports of replicas", _OF_REPLICAS, generation)
        kinds = {kind.topic: kind for kind in (InferenceReloaded, InferenceDiverged)}
        return [kinds[row["topic"]].model_validate_json(row["body"]) for row in rows]

    async def losses(self, generation: int) -> Sequence[datetime]:
        """Read when they were noticed."""
        rows = await self._of_generation("read losses", _LOSSES, generation)
        return [_utc(row["noticed_at"]) for row in rows]

    async def accepted_at(self, request_id: str) -> datetime | None:
        """Look for a request that may not have become a run yet."""
        which = {"model": self._of_model, "request": request_id}
        row = await self._asked.row("look for a request", _ACCEPTED, which)
        return None if row is None else _utc(row["asked_at"])

    async def _of_generation(self, doing: str, statement: str, generation: int) -> Sequence[Row]:
        return await self._asked.rows(doing, statement, {"model": self._of_model, "generation": generation})

    async def _one(self, doing: str, statement: str, which: Mapping[str, object]) -> Reign | None:
        return next(iter(await self._reigns(doing, statement, which)), None)

    async def _reigns(self, doing: str, statement: str, which: Mapping[str, object]) -> Sequence[Reign]:
        rows = await self._asked.rows(doing, statement, {"model": self._of_model, **which})
        found = [(entry_of(row), _utc(row["since"]), row["until"] and _utc(row["until"])) for row in rows]
        asked = await self._askers([entry.run_id for entry, _, _ in found if entry.run_id])
        return [
            Reign(entry=entry, since=since, until=until, requested_by=asked.get(entry.run_id or ""))
            for entry, since, until in found
        ]

    async def _askers(self, runs: Sequence[str]) -> dict[str, str]:
        """Who requested each of these runs, as far as the requests say."""
        rows = await self._asked.rows("read requests", _ASKED, {"runs": list(runs)}) if runs else ()
        named = {row["run_id"]: load_json(row["payload"]).get("requested_by") for row in rows}
        return {run: who for run, who in named.items() if isinstance(who, str)}


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
