"""The shapes of the DAG API: an orchestrator's own field names and types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

RunState = Literal["queued", "running", "success", "failed"]
TaskState = Literal["queued", "running", "up_for_retry", "success", "failed", "skipped", "upstream_failed"]

# With +00:00 and not Z, as orchestrators write it and as older readers alone can read it.
Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


# A text, as generated clients demand; false, so that a loop over what is left ends.
END_OF_LOG: Final = ""
UNMAPPED: Final = -1


class Shape(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True)


class DagRun(Shape):
    """One training request with its run. `note` says why it was rejected, failed, declined or promoted."""

    dag_id: str
    dag_run_id: str
    run_type: Literal["manual"] = "manual"
    state: RunState
    conf: Mapping[str, Any]
    logical_date: Moment
    execution_date: Moment
    start_date: Moment | None
    end_date: Moment | None
    data_interval_start: Moment
    data_interval_end: Moment
    last_scheduling_decision: Moment | None
    external_trigger: Literal[True] = True
    note: str | None


class DagRunCollection(Shape):
    """A page of runs."""

    dag_runs: tuple[DagRun, ...]
    total_entries: int


class TaskInstance(Shape):
    """One task of a run. `note` is what its log says in short; the last fields never change here."""

    task_id: str
    task_display_name: str
    dag_id: str
    dag_run_id: str
    execution_date: Moment
    start_date: Moment | None
    end_date: Moment | None
    duration: float | None
    state: TaskState | None
    try_number: int
    note: str | None
    hostname: str
    map_index: Literal[-1] = UNMAPPED
    max_tries: int = 0
    operator: str = "laurel"
    unixname: str = ""
    pool: str = "default_pool"
    pool_slots: int = 1
    priority_weight: int = 1
    queue: str | None = None
    queued_when: None = None
    pid: None = None
    executor: None = None
    executor_config: str = "{}"
    rendered_map_index: None = None
    rendered_fields: Mapping[str, Any] = {}
    sla_miss: None = None
    trigger: None = None
    triggerer_job: None = None


class TaskInstanceCollection(Shape):
    """All tasks of a run, in their order."""

    task_instances: tuple[TaskInstance, ...]
    total_entries: int


class Dag(Shape):
    """A DAG. It is never paused: who wants no trainings stops the workers."""

    dag_id: str
    dag_display_name: str
    description: str | None
    is_paused: Literal[False] = False
    is_active: Literal[True] = True
    is_subdag: Literal[False] = False
    root_dag_id: None = None
    fileloc: str = ""
    file_token: str = ""
    owners: tuple[str, ...] = ("laurel",)
    tags: tuple[Mapping[str, str], ...] = ()
    schedule_interval: None = None
    timetable_description: str = "Never, external triggers only"
    max_active_runs: int | None = None
    max_active_tasks: int | None = None
    has_import_errors: Literal[False] = False
    has_task_concurrency_limits: Literal[False] = False
    last_parsed_time: None = None
    next_dagrun: None = None
    next_dagrun_create_after: None = None
    next_dagrun_data_interval_start: None = None
    next_dagrun_data_interval_end: None = None


class DagCollection(Shape):
    """All DAGs."""

    dags: tuple[Dag, ...]
    total_entries: int


class VariableShape(Shape):
    """A variable."""

    key: str
    value: str
    description: str | None = None


class VariableCollection(Shape):
    """A page of variables."""

    variables: tuple[VariableShape, ...]
    total_entries: int


class TaskLog(Shape):
    """A task's log in one piece: behind the token that comes with it there is nothing more."""

    content: str
    continuation_token: str = END_OF_LOG
