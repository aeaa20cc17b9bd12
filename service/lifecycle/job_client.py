"""Where heavy work is handed to a child: which job, in which child, within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from service.processes import failures
from service.processes.task_names import Job, JobRef, Result
from service.processes.warm_child import OnProgress


class RunsTasks(Protocol):
    """What the warm children offer; a task is named "package.module:function"."""

    async def run(
        self,
        child: str,
        task: str,
        /,
        *,
        timeout_seconds: float,
        memory_bytes: int,
        on_progress: OnProgress | None,
        job: object,
    ) -> object:
        """Run a task in the named child. Raises the domain's errors."""


@dataclass(frozen=True)
class JobClient:
    """The children of one lifecycle, with the limits of one job.

    `replaced` names other functions by the path of the product's: a test breaks one on purpose.
    """

    children: RunsTasks
    timeout_seconds: float
    memory_bytes: int
    replaced: Mapping[str, str] = field(default_factory=dict)

    async def run(
        self, child: str, ref: JobRef[Job, Result], job: Job, *, on_progress: OnProgress | None = None
    ) -> Result:
        """Have the function run the job; `train` and `side` are the two children of a lifecycle.

        `on_progress` is told what the job reports on its way. Raises what the children raise.
        """
        task = self.replaced.get(ref.path, ref.path)
        result = await self.children.run(
            child,
            task,
            timeout_seconds=self.timeout_seconds,
            memory_bytes=self.memory_bytes,
            on_progress=on_progress,
            job=job,
        )
        if not isinstance(result, ref.gives):
            raise failures.failed(task, "TypeError", f"the answer is no {ref.gives.__name__}")
        return result
