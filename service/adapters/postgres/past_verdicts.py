"""What the gate said of a model before, in the order in which its runs ended."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import JSON, Text, bindparam, cast, func, select, tuple_

from domain.lifecycle import State
from domain.run_record import RunRecord
from domain.streaks import PastVerdict
from service.adapters.postgres import json_text
from service.adapters.postgres.database import Database
from service.adapters.postgres.tables import run_outputs, runs

_JUDGED: Final = ("evaluate", "decide", "compared")
_WITH_VERDICT: Final = (State.COMPLETED.value, State.DECLINED.value)
_last: Final = runs.alias("last")
_outputs: Final = (
    select(cast(func.json_object_agg(run_outputs.c.name, cast(run_outputs.c.output, JSON)), Text))
    .where(run_outputs.c.run_id == runs.c.run_id, run_outputs.c.name.in_(_JUDGED))
    .scalar_subquery()
)
_UP_TO: Final = (
    select(runs.c.run_id, _outputs.label("outputs"))
    .join(_last, _last.c.run_id == bindparam("run"))
    .where(
        runs.c.model_name == bindparam("model"),
        runs.c.state.in_(_WITH_VERDICT),
        _last.c.state.in_(_WITH_VERDICT),
        tuple_(runs.c.updated_at, runs.c.number) <= tuple_(_last.c.updated_at, _last.c.number),
    )
    .order_by(runs.c.updated_at.desc(), runs.c.number.desc())
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
        return [PastVerdict.of_run(row["run_id"], RunRecord(json_text.load(row["outputs"]))) for row in rows]
