"""What a statement that changes a run gives back of it."""

from sqlalchemy import ARRAY, JSON, ColumnElement, Text, bindparam, cast, func, select
from sqlalchemy.sql.selectable import FromClause

from service.adapters.postgres.run_rows import COLUMNS
from service.adapters.postgres.tables import run_outputs, runs


def run_columns(source: FromClause = runs) -> list[ColumnElement[object]]:
    """What a run is read from: its row, and those of its outputs whose names are not in `known`.

    A worker holds the outputs that it was given before, and they can be large.
    """
    known = bindparam("known", type_=ARRAY(Text))
    as_json = func.json_object_agg(run_outputs.c.name, cast(run_outputs.c.output, JSON))
    missing = (
        select(cast(as_json, Text))
        .where(run_outputs.c.run_id == source.c.run_id, run_outputs.c.name != func.all(known))
        .correlate(source)
        .scalar_subquery()
    )
    return [*(source.c[name] for name in COLUMNS), missing.label("outputs")]
