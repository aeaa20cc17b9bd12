"""The shapes of the DAG API: an orchestrator's own field names and types."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

RunState = Literal["queued", "running", "success", "failed"]
TaskState = Literal["queued", "running", "up_for_retry", "success", "failed", "skipped", "upstream_failed"]

# With +00:00 and not Z, as orchestrators write it and as older readers alone can read it.
Moment = Annotated[
    datetime,
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat(), return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

Null = Annotated[None, Field(description="Always null.")]
Yes = Annotated[Literal[True], Field(description="Always true.")]
No = Annotated[Literal[False], Field(description="Always false.")]

# A text, as generated clients demand; false, so that a loop over what is left ends.
END_OF_LOG: Final = ""
UNMAPPED: Final = -1


class Shape(BaseModel):
    """What all of them share."""

    model_config = ConfigDict(frozen=True)


class DagRun(Shape):
    """One training request with its run. `note` says why it was rejected, failed, declined or promoted."""

    dag_id: str = Field(description="The DAG that runs.")
    dag_run_id: str = Field(description="The id of the training request.")
    run_type: Literal["manual"] = Field("manual", description="Always `manual`.")
    state: RunState = Field(description="How far it is.")
    conf: Mapping[str, object] = Field(description="What was asked for.")
    logical_date: Moment = Field(description="The date that named the run, else when it was asked for.")
    execution_date: Moment = Field(description="The old name of logical_date.")
    start_date: Moment | None = Field(description="When a worker began it.")
    end_date: Moment | None = Field(description="When it ended.")
    data_interval_start: Moment = Field(description="As logical_date: it chooses no data.")
    data_interval_end: Moment = Field(description="As logical_date.")
    last_scheduling_decision: Moment | None = Field(description="When it last went on.")
    external_trigger: Yes = True
    note: str | None = Field(description="What became of it, or why it was asked for.")


class DagRunCollection(Shape):
    """A page of runs."""

    dag_runs: tuple[DagRun, ...] = Field(description="The runs of this page.")
    total_entries: int = Field(description="How many there are altogether.")


class TaskInstance(Shape):
    """One task of a run. `note` is what its log says in short; the last fields never change here."""

    task_id: str = Field(description="The task.")
    task_display_name: str = Field(description="The same.")
    dag_id: str = Field(description="Its DAG.")
    dag_run_id: str = Field(description="Its run.")
    execution_date: Moment = Field(description="The logical date of its run.")
    start_date: Moment | None = Field(description="When it began.")
    end_date: Moment | None = Field(description="When it ended.")
    duration: float | None = Field(description="In seconds, once it has ended.")
    state: TaskState | None = Field(description="How far it is; null before it begins.")
    try_number: int = Field(description="How often it was begun.")
    note: str | None = Field(description="What its log says in short.")
    hostname: str = Field(description="The worker that has it in hand.")
    map_index: Literal[-1] = Field(UNMAPPED, description="Always -1: no task is mapped.")
    max_tries: int = Field(0, description="Always 0.")
    operator: str = Field("laurel", description="Always `laurel`.")
    unixname: str = Field("", description="Always empty.")
    pool: str = Field("default_pool", description="Always `default_pool`.")
    pool_slots: int = Field(1, description="Always 1.")
    priority_weight: int = Field(1, description="Always 1.")
    queue: str | None = Field(None, description="Always null.")
    queued_when: Null = None
    pid: Null = None
    executor: Null = None
    executor_config: str = Field("{}", description="Always `{}`.")
    rendered_map_index: Null = None
    rendered_fields: Mapping[str, object] = Field({}, description="Always empty.")
    sla_miss: Null = None
    trigger: Null = None
    triggerer_job: Null = None


class TaskInstanceCollection(Shape):
    """All tasks of a run, in their order."""

    task_instances: tuple[TaskInstance, ...] = Field(description="The tasks of this page.")
    total_entries: int = Field(description="How many the filters leave.")


class Dag(Shape):
    """A DAG. It is never paused: who wants no trainings stops the workers."""

    dag_id: str = Field(description="Its id.")
    dag_display_name: str = Field(description="The same.")
    description: str | None = Field(description="What it does; null of one that is only listed.")
    is_paused: No = False
    is_active: Yes = True
    is_subdag: No = False
    root_dag_id: Null = None
    fileloc: str = Field("", description="Always empty.")
    file_token: str = Field("", description="Always empty.")
    owners: tuple[str, ...] = Field(("laurel",), description="Always `laurel`.")
    tags: tuple[Mapping[str, str], ...] = Field((), description="Always empty.")
    schedule_interval: Null = None
    timetable_description: str = Field("Never, external triggers only", description="When it runs.")
    max_active_runs: int | None = Field(None, description="Always null.")
    max_active_tasks: int | None = Field(None, description="Always null.")
    has_import_errors: No = False
    has_task_concurrency_limits: No = False
    last_parsed_time: Null = None
    next_dagrun: Null = None
    next_dagrun_create_after: Null = None
    next_dagrun_data_interval_start: Null = None
    next_dagrun_data_interval_end: Null = None


class DagCollection(Shape):
    """All DAGs."""

    dags: tuple[Dag, ...] = Field(description="The DAGs of this page.")
    total_entries: int = Field(description="How many the filters leave.")


class VariableShape(Shape):
    """A variable."""

    key: str = Field(description="Its key.")
    value: str = Field(description="Its value.")
    description: str | None = Field(None, description="What it is for.")


class VariableCollection(Shape):
    """A page of variables."""

    variables: tuple[VariableShape, ...] = Field(description="The variables of this page.")
    total_entries: int = Field(description="How many there are altogether.")


class TaskLog(Shape):
    """A task's log in one piece: after the token that comes with it there is nothing more."""

    content: str = Field(description="The log.")
    continuation_token: str = Field(END_OF_LOG, description="Always empty: nothing comes after it.")
