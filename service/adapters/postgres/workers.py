"""Who works, in plain SQL: the rows of living processes, read together with the runs that they carry."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from domain.ports.workers import WORKER, HeardProcess, Hold, Process, Waiting
from service.adapters.postgres.rows import Row, RowSource

KEPT: Final = timedelta(days=1)  # the row of a process that was killed

_HEARD: Final = f"""
    SELECT {", ".join(f"heartbeats.{name}" for name in Process.model_fields)},
        heartbeats.started_at,
        heartbeats.beat_at AS heard_at,
        extract(epoch FROM clock_timestamp() - heartbeats.beat_at)::float AS silent_seconds,
        (
            SELECT array_agg(runs.run_id ORDER BY runs.number)
            FROM laurel.runs
            WHERE heartbeats.role = '{WORKER}'
                AND runs.model_name = heartbeats.model_name
                AND NOT runs.ended
                AND runs.owner = heartbeats.name
        ) AS runs
    FROM laurel.heartbeats
    WHERE heartbeats.beat_at >= clock_timestamp() - %(kept)s::interval
    ORDER BY heartbeats.model_name, heartbeats.role, heartbeats.name, heartbeats.started_at
"""  # noqa: S608 - constants of ours

# As in the statement that claims a run.
_RUNNABLE: Final = """
    coalesce(lease_until <= clock_timestamp(), true) AND coalesce(not_before <= clock_timestamp(), true)
"""
_IS_HELD: Final = "owner IS NOT NULL AND coalesce(lease_until > clock_timestamp(), false)"
_IS_PUT_OFF: Final = f"NOT ({_IS_HELD}) AND coalesce(not_before > clock_timestamp(), false)"
# Two ages of one answer are as of one moment.
_AGE: Final = "coalesce(greatest(extract(epoch FROM statement_timestamp() - {oldest}), 0), 0)::float"
_OLDEST: Final = "min(requested_at)"
_WAITING: Final = f"""
    SELECT count(*) FILTER (WHERE {_RUNNABLE}) AS unclaimed,
        count(*) FILTER (WHERE {_IS_HELD}) AS held,
        count(*) FILTER (WHERE {_IS_PUT_OFF}) AS put_off,
        {_AGE.format(oldest=_OLDEST)} AS oldest_seconds,
        {_AGE.format(oldest=f"({_OLDEST} FILTER (WHERE {_RUNNABLE}))")} AS oldest_unclaimed_seconds,
        array_agg(DISTINCT owner) FILTER (WHERE {_IS_HELD}) AS holders
    FROM laurel.runs
    WHERE model_name = %(model)s::text AND NOT ended
"""  # noqa: S608 - constants of ours
_HOLD: Final = """
    SELECT owner,
        lease_until,
        greatest(coalesce(extract(epoch FROM lease_until - clock_timestamp())::float, 0.0), 0.0)
            AS lease_seconds,
        not_before
    FROM laurel.runs
    WHERE run_id = %(run)s::text
"""


class PostgresWorkers:
    """`domain.ports.workers.Workers`."""

    def __init__(self, database: RowSource) -> None:
        self._asked = database

    async def heard(self) -> Sequence[HeardProcess]:
        """Read every row, with the runs that its process carries."""
        rows = await self._asked.rows("read heartbeats", _HEARD, {"kept": KEPT})
        return [HeardProcess.model_validate(_known(row, "runs")) for row in rows]

    async def waiting(self, model_name: str) -> Waiting:
        """Count the unfinished runs."""
        row = await self._asked.row("count what waits", _WAITING, {"model": model_name})
        return Waiting() if row is None else Waiting.model_validate(_known(row, "holders"))

    async def hold(self, run_id: str) -> Hold | None:
        """Read a run's lease."""
        row = await self._asked.row("read a lease", _HOLD, {"run": run_id})
        return None if row is None else Hold.model_validate(dict(row))


def _known(row: Row, many: str) -> Mapping[str, object]:
    return {**row, many: tuple(row[many] or ())}
