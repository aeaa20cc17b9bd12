"""Which tasks of a run a caller wants to see."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Depends, Query

from service.gateway.dag.shapes import TaskInstance, TaskState
from service.gateway.dag.times import AskedTimes
from service.gateway.parameters import Texts

# Every state that an orchestrator has: one that no task of ours comes to finds none.
AskedState = Literal[
    TaskState, "none", "null", "scheduled", "deferred", "up_for_reschedule", "removed", "restarting"
]
States = Annotated[
    list[AskedState] | None, Query(description="Only these; `none` is a task that has not begun.")
]
Names = Annotated[Texts, Query(description="Only tasks of these; several are allowed.")]
Seconds = Annotated[float | None, Query(allow_inf_nan=False, description="In seconds, inclusive.")]


@dataclass(frozen=True)
class TaskFilter:
    """What was asked for; None asks for nothing."""

    times: AskedTimes
    state: States = None
    pool: Names = None
    queue: Names = None
    executor: Names = None
    duration_gte: Seconds = None
    duration_lte: Seconds = None

    def keeps(self, task: TaskInstance) -> bool:
        """True for a task that is wanted."""
        return all(self._tests(task))

    def _tests(self, task: TaskInstance) -> Iterator[bool]:
        yield self.times.started.holds(task.start_date)
        yield self.times.executed.holds(task.execution_date)
        yield self.times.ended.holds(task.end_date)
        yield self.times.updated.holds(task.end_date or task.start_date)
        yield self.duration_gte is None or (task.duration is not None and task.duration >= self.duration_gte)
        yield self.duration_lte is None or (task.duration is not None and task.duration <= self.duration_lte)
        named = ((self.pool, task.pool), (self.queue, task.queue), (self.executor, task.executor))
        yield all(wanted is None or name in wanted for wanted, name in named)
        yield self.state is None or bool({task.state or "none", task.state or "null"} & set(self.state))


Wanted = Annotated[TaskFilter, Depends(TaskFilter)]
