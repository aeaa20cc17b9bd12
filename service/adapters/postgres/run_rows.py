"""Runs as rows: which columns are read, and how a row becomes a run again."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ARRAY, JSON, ColumnElement, RowMapping, Text, bindparam, cast, func, select
from sqlalchemy.sql.selectable import FromClause

from domain.run import Failure, Run, TransitionRecord
from service.adapters.postgres import json_text
from service.adapters.postgres.tables import run_outputs, runs

NO_OUTPUTS: Final[Mapping[str, Any]] = {"known": []}
_NOTHING: Final[Mapping[str, Any]] = {}

_COLUMNS: Final = (
    "run_id",
    "model_name",
    "identity",
    "payload",
    "correlation_id",
    "causation_id",
    "state",
    "fence",
    "owner",
    "attempts",
    "mlflow_run_id",
    "failure",
    "waiting_on",
    "waiting_since",
    "requested_at",
    "updated_at",
)
_JSON_COLUMNS: Final = ("payload", "failure")


def run_columns(source: FromClause = runs) -> list[ColumnElement[Any]]:
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
    return [*(source.c[name] for name in _COLUMNS), missing.label("outputs")]


def run_of(row: RowMapping, known: Mapping[str, Any] = _NOTHING, added: Mapping[str, Any] = _NOTHING) -> Run:
    """Make a run of a row: `known` outputs were not read again, `added` ones are newer than what was read."""
    fields = {name: row[name] for name in _COLUMNS}
    for name in _JSON_COLUMNS:
        fields[name] = None if row[name] is None else json_text.load(row[name])
    outputs = json_text.load(row["outputs"]) if row["outputs"] else {}
    return Run.model_validate({**fields, "outputs": {**known, **outputs, **added}})


def transition_of(row: RowMapping) -> TransitionRecord:
    """Make a record of a row of history."""
    return TransitionRecord.model_validate(dict(row))


def failure_text(failure: Failure | None) -> str | None:
    """Write a failure down."""
    return None if failure is None else json_text.dump(failure.model_dump(mode="json"))
