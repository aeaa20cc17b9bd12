"""Old rows go, in plain SQL: in batches, each a statement that commits by itself and may be said twice."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from domain.ports.pruning import Pruned
from domain.run_record import KEPT_OUTPUTS, PRUNED
from service.adapters.postgres.rows import Row, RowSource

_BATCH: Final = 500
# Two that prune at once take turns, so nobody waits in a circle.
_TURN: Final = "SELECT pg_advisory_xact_lock(hashtextextended('laurel/prune', 0)) IS NOT NULL AS taken"

# Read once in their order, which is that of time; those that stay are passed over.
_LOOKED: Final = """
    SELECT outbox.seq, outbox.run_id, pg_column_size(headers) + pg_column_size(body) AS bytes,
        outbox.key = %(model)s::text AND outbox.generation IS NULL AND runs.ended
            AND coalesce(outbox.sent_at < clock_timestamp() - %(age)s::interval, false) AS may_go,
        outbox.created_at >= clock_timestamp() - %(age)s::interval AS is_new
    FROM laurel.outbox LEFT JOIN laurel.runs USING (run_id)
    WHERE seq > %(after)s::bigint
    ORDER BY seq LIMIT %(batch)s::integer
"""
_COUNTED: Final = """
    SELECT (SELECT max(seq) FROM looked) AS last,
        (SELECT bool_and(is_new) FROM looked) AS is_all_new,
        count(DISTINCT run_id) AS runs, count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM gone
"""
_COUNT_EVENTS: Final = f"""
    WITH looked AS ({_LOOKED}), gone AS (SELECT * FROM looked WHERE may_go)
    {_COUNTED}
"""  # noqa: S608 - constants of ours
_PRUNE_EVENTS: Final = f"""
    WITH turn AS MATERIALIZED ({_TURN}),
    looked AS MATERIALIZED ({_LOOKED}),
    gone AS (
        DELETE FROM laurel.outbox USING looked, turn
        WHERE outbox.seq = looked.seq AND looked.may_go AND turn.taken
        RETURNING looked.run_id, looked.bytes
    )
    {_COUNTED}
"""  # noqa: S608 - constants of ours

# json refuses to read past \u0000, which a reason may hold.
_RUN_IN: Final = r"replace(content, '\u0000', '\u0001')::json ->> 'run_id'"
_NAMED: Final = f"""
    SELECT coalesce(max(generation), 0) AS head, array_agg(DISTINCT {_RUN_IN}) AS runs
    FROM laurel.promotion_ledger WHERE model_name = %(model)s::text
"""  # noqa: S608 - constants of ours
_OLD: Final = """
    SELECT listed.run_id, listed.asked_at, listed.request_id, listed.door, listed.ended_at
    FROM laurel.listed_requests AS listed JOIN laurel.runs USING (run_id)
    WHERE listed.model_name = %(model)s::text AND listed.pruned_at IS NULL
        AND listed.end_state IN ('DECLINED', 'REJECTED', 'FAILED')
        AND listed.ended_at < clock_timestamp() - %(age)s::interval
        AND (listed.ended_at, listed.run_id) > (%(after)s::timestamptz, %(after_run)s::text COLLATE "C")
        AND runs.pictures_done_at IS NOT NULL AND runs.status_done_at IS NOT NULL
    ORDER BY listed.ended_at, listed.run_id LIMIT %(batch)s::integer
"""
_CHOSEN: Final = f"""
    SELECT * FROM unnest(%(runs)s::text[], %(asked)s::timestamptz[], %(requests)s::text[], %(doors)s::text[])
        AS chosen (run_id, asked_at, request_id, door)
    WHERE NOT EXISTS (
        SELECT FROM laurel.promotion_ledger
        WHERE model_name = %(model)s::text AND generation > %(head)s::bigint AND {_RUN_IN} = chosen.run_id
    )
"""  # noqa: S608 - constants of ours
_SUMS: Final = """
    SELECT count(DISTINCT run_id) AS runs, count(*) AS rows, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM gone
"""
_LEFT: Final = "kept.run_id = chosen.run_id AND kept.name <> ALL (%(kept)s::text[])"
_COUNT_OUTPUTS: Final = f"""
    WITH chosen AS ({_CHOSEN}), gone AS (
        SELECT kept.run_id, pg_column_size(kept.output) AS bytes
        FROM laurel.run_outputs AS kept JOIN chosen ON {_LEFT}
    )
    {_SUMS}
"""  # noqa: S608 - constants of ours
# What stays in their place says when, what, and which versions it was.
_PRUNE_OUTPUTS: Final = rf"""
    WITH turn AS MATERIALIZED ({_TURN}),
    chosen AS MATERIALIZED (SELECT chosen.* FROM ({_CHOSEN}) AS chosen, turn WHERE turn.taken),
    gone AS (
        DELETE FROM laurel.run_outputs AS kept USING chosen WHERE {_LEFT}
        RETURNING kept.run_id, kept.name, pg_column_size(kept.output) AS bytes
    ),
    noted AS (
        INSERT INTO laurel.run_outputs
        SELECT gone.run_id, '{PRUNED}', json_build_object(
            'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'names', json_agg(gone.name ORDER BY gone.name),
            'triple', (SELECT replace(output, '\u0000', '\u0001')::json -> 'triple' FROM laurel.run_outputs
                WHERE run_outputs.run_id = gone.run_id AND run_outputs.name = 'resolve')
        )::text
        FROM gone GROUP BY gone.run_id
        ON CONFLICT DO NOTHING
    ),
    marked AS (
        UPDATE laurel.listed_requests AS listed SET pruned_at = clock_timestamp() FROM chosen
        WHERE listed.model_name = %(model)s::text AND listed.asked_at = chosen.asked_at
            AND listed.request_id = chosen.request_id AND listed.door = chosen.door
    )
    {_SUMS}
"""  # noqa: S608 - constants of ours


class PostgresPruning:
    """`domain.ports.pruning.Pruning` of one model."""

    def __init__(self, database: RowSource, model_name: str) -> None:
        self._asked = database
        self._model = model_name

    async def events(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        """Go through the outbox once, up to what is newer."""
        statement, doing = (_COUNT_EVENTS, "count old events") if dry_run else (_PRUNE_EVENTS, "prune events")
        found, after = Pruned(), 0
        while True:
            row = await self._asked.row(doing, statement, self._which(older_than, after=after))
            if row is None or row["last"] is None:
                return found
            found, after = found + _pruned(row), row["last"]
            if row["is_all_new"]:
                return found

    async def outputs(self, older_than: timedelta, *, dry_run: bool = False) -> Pruned:
        """Go through the runs once, those first that ended first."""
        named = await self._asked.row("read which runs the ledger names", _NAMED, self._which(older_than))
        head, of_ledger = (named["head"], frozenset(named["runs"] or ())) if named else (0, frozenset())
        statement = _COUNT_OUTPUTS if dry_run else _PRUNE_OUTPUTS
        found, place = Pruned(), {"after": "-infinity", "after_run": ""}
        while True:
            old = await self._asked.rows("look for old runs", _OLD, self._which(older_than, **place))
            if not old:
                return found
            place = {"after": old[-1]["ended_at"], "after_run": old[-1]["run_id"]}
            chosen = [row for row in old if row["run_id"] not in of_ledger]
            parameters = self._which(older_than, head=head, kept=sorted(KEPT_OUTPUTS), **_columns(chosen))
            row = await self._asked.row("prune runs", statement, parameters)
            found += Pruned() if row is None else _pruned(row)

    def _which(self, age: timedelta, **more: object) -> Mapping[str, object]:
        return {"model": self._model, "age": age, "batch": _BATCH, **more}


def _columns(rows: Sequence[Row]) -> dict[str, list[object]]:
    names = {"runs": "run_id", "asked": "asked_at", "requests": "request_id", "doors": "door"}
    return {parameter: [row[column] for row in rows] for parameter, column in names.items()}


def _pruned(row: Row) -> Pruned:
    return Pruned(runs=row["runs"], rows=row["rows"], bytes=row["bytes"])
