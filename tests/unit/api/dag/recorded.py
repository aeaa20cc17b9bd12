"""The fields of the orchestrator's public REST reference, version 2 of its stable API: names and types.

A clean-room note of facts: what its clients, generated ones too, can read.
"""

from collections.abc import Mapping
from typing import Any, Final

_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_DATE: Final = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"}
_DATE_OR_NULL: Final = {"anyOf": [_DATE, {"type": "null"}]}
_WHOLE: Final = {"type": "integer"}
_WHOLE_OR_NULL: Final = {"type": ["integer", "null"]}
_FLAG: Final = {"type": "boolean"}
_FLAG_OR_NULL: Final = {"type": ["boolean", "null"]}
_OBJECT_OR_NULL: Final = {"type": ["object", "null"]}
_TASK_STATES: Final = [
    "success",
    "running",
    "failed",
    "upstream_failed",
    "skipped",
    "up_for_retry",
    "up_for_reschedule",
    "queued",
    "none",
    "scheduled",
    "deferred",
    "removed",
    "restarting",
    None,
]


def _object(required: tuple[str, ...], **fields: Any) -> Mapping[str, Any]:
    return {
        "type": "object",
        "properties": fields,
        "required": list(required),
        "additionalProperties": False,
    }


DAG_RUN: Final = _object(
    ("dag_id", "dag_run_id", "state", "conf", "logical_date", "start_date", "end_date", "external_trigger"),
    dag_run_id=_TEXT_OR_NULL,
    dag_id=_TEXT,
    logical_date=_DATE_OR_NULL,
    execution_date=_DATE_OR_NULL,
    start_date=_DATE_OR_NULL,
    end_date=_DATE_OR_NULL,
    data_interval_start=_DATE_OR_NULL,
    data_interval_end=_DATE_OR_NULL,
    last_scheduling_decision=_DATE_OR_NULL,
    run_type={"enum": ["backfill", "manual", "scheduled", "dataset_triggered"]},
    state={"enum": ["queued", "running", "success", "failed"]},
    external_trigger=_FLAG,
    conf={"type": "object"},
    note={"type": ["string", "null"], "maxLength": 1000},
)
TASK_INSTANCE: Final = _object(
    ("task_id", "state", "start_date", "end_date", "duration", "try_number"),
    task_id=_TEXT,
    task_display_name=_TEXT,
    dag_id=_TEXT,
    dag_run_id=_TEXT,
    execution_date=_DATE,
    start_date=_DATE_OR_NULL,
    end_date=_DATE_OR_NULL,
    duration={"type": ["number", "null"]},
    state={"enum": _TASK_STATES},
    try_number=_WHOLE,
    map_index=_WHOLE,
    max_tries=_WHOLE,
    hostname=_TEXT,
    unixname=_TEXT,
    pool=_TEXT,
    pool_slots=_WHOLE,
    queue=_TEXT_OR_NULL,
    priority_weight=_WHOLE_OR_NULL,
    operator=_TEXT_OR_NULL,
    queued_when=_TEXT_OR_NULL,
    pid=_WHOLE_OR_NULL,
    executor=_TEXT_OR_NULL,
    executor_config=_TEXT,
    sla_miss=_OBJECT_OR_NULL,
    rendered_map_index=_TEXT_OR_NULL,
    rendered_fields={"type": "object"},
    trigger=_OBJECT_OR_NULL,
    triggerer_job=_OBJECT_OR_NULL,
    note={"type": ["string", "null"], "maxLength": 1000},
)
DAG: Final = _object(
    ("dag_id", "is_paused", "is_active"),
    dag_id=_TEXT,
    dag_display_name=_TEXT,
    root_dag_id=_TEXT_OR_NULL,
    is_paused=_FLAG_OR_NULL,
    is_active=_FLAG_OR_NULL,
    is_subdag=_FLAG,
    last_parsed_time=_DATE_OR_NULL,
    fileloc=_TEXT,
    file_token=_TEXT,
    owners={"type": "array", "items": _TEXT},
    description=_TEXT_OR_NULL,
    schedule_interval=_OBJECT_OR_NULL,
    timetable_description=_TEXT_OR_NULL,
    tags={"type": ["array", "null"], "items": {"type": "object"}},
    max_active_tasks=_WHOLE_OR_NULL,
    max_active_runs=_WHOLE_OR_NULL,
    has_task_concurrency_limits=_FLAG_OR_NULL,
    has_import_errors=_FLAG_OR_NULL,
    next_dagrun=_DATE_OR_NULL,
    next_dagrun_data_interval_start=_DATE_OR_NULL,
    next_dagrun_data_interval_end=_DATE_OR_NULL,
    next_dagrun_create_after=_DATE_OR_NULL,
)
VARIABLE: Final = _object(("key", "value"), key=_TEXT, value=_TEXT, description=_TEXT_OR_NULL)


def collection(name: str, items: Mapping[str, Any]) -> Mapping[str, Any]:
    """A page of things under their name."""
    fields = {name: {"type": "array", "items": items}, "total_entries": _WHOLE}
    return _object((name, "total_entries"), **fields)
