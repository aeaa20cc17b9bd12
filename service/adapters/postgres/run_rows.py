"""Runs as rows: which columns are read, and how a row becomes a run again."""

from collections.abc import Mapping
from typing import Final

from domain.run import Failure, Run, TransitionRecord
from service.adapters.postgres import json_text
from service.adapters.postgres.rows import Row

NO_OUTPUTS: Final[Mapping[str, object]] = {"known": []}
_NOTHING: Final[Mapping[str, object]] = {}

COLUMNS: Final = (
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


def run_of(row: Row, known: Mapping[str, object] = _NOTHING, added: Mapping[str, object] = _NOTHING) -> Run:
    """Make a run of a row: `known` outputs were not read again, `added` ones are newer than what was read."""
    fields = {name: row[name] for name in COLUMNS}
    for name in _JSON_COLUMNS:
        fields[name] = None if row[name] is None else json_text.load(row[name])
    outputs = json_text.load(row["outputs"]) if row["outputs"] else {}
    return Run.model_validate({**fields, "outputs": {**known, **outputs, **added}})


def transition_of(row: Row) -> TransitionRecord:
    """Make a record of a row of history."""
    return TransitionRecord.model_validate(dict(row))


def failure_text(failure: Failure | None) -> str | None:
    """Write a failure down."""
    return None if failure is None else json_text.dump(failure.model_dump(mode="json"))
