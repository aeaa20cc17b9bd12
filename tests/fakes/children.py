"""Children without processes: a task runs in a thread of this one."""

import asyncio
from collections import defaultdict
from typing import Any

from domain.errors import LaurelError
from service.processes import failures
from service.processes.task_names import resolve
from service.processes.warm_child import OnProgress


class InProcessChildren:
    """`ChildSet` for tests of those who use it: same queues and errors, no limits, nothing can be killed."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.alive_until: float | None = None
        self.tasks: list[tuple[str, str, dict[str, Any]]] = []

    async def run(
        self,
        child: str,
        task: str,
        /,
        *,
        timeout_seconds: float | None = None,
        memory_bytes: int | None = None,
        file_bytes: int | None = None,
        on_progress: OnProgress | None = None,
        **arguments: Any,
    ) -> Any:
        """Run *task* in a thread; what it reports is not heard."""
        del timeout_seconds, memory_bytes, file_bytes, on_progress
        async with self._turns[child]:
            self.tasks.append((child, task, arguments))
            return await asyncio.to_thread(_run, task, arguments)

    def hold_until(self, alive_until: float | None) -> None:
        """Remember the end of the lease."""
        self.alive_until = alive_until

    async def cancel(self, child: str) -> None:
        """Do nothing: a thread cannot be killed."""


def _run(task: str, arguments: dict[str, Any]) -> Any:
    try:
        return resolve(task)(**arguments)
    except LaurelError:
        raise
    except MemoryError:
        raise failures.out_of_memory(task, None) from None
    except Exception as error:
        raise failures.failed(task, type(error).__name__, str(error)) from error
