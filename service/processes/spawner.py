"""Where warm children come from: a fork parent that is started again when it dies."""

import asyncio
import logging
import os
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final

from domain.errors import LaurelError, TryLater
from service.processes import failures
from service.processes.child_settings import ForkSettings
from service.processes.fork_client import ForkParent
from service.processes.warm_child import Order, WarmChild

_MOST_PATIENT: Final = 19
_log = logging.getLogger("laurel.children")


async def cancel_once(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """End *tasks* and wait for them.

    Two may stop the same thing at once; a second cancel would cut off how the task ends its processes.
    """
    tasks = set(tasks)
    for task in tasks:
        if not task.cancelling():
            task.cancel()
    if tasks:
        await asyncio.wait(tasks)


class Supply:
    """Makes warm children."""

    def __init__(self, settings: ForkSettings) -> None:
        self.settings = settings
        self.parent: ForkParent | None = None
        self.stopped = False
        self._starting = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    async def take(self) -> WarmChild:
        """Make a warm child."""
        return await self._make()

    async def make_patient(self) -> WarmChild:
        """Make a child that works only while nobody else wants the processor."""
        return await self._make(niceness=_MOST_PATIENT)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* beside everything else, until this is stopped."""
        if self.stopped:
            work.close()
            return
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self) -> None:
        """End every child and the fork parent. Safe to repeat."""
        self.stopped = True
        await cancel_once(self._background)
        async with self._starting:
            if self.parent:
                await self.parent.stop()

    async def ping(self, seconds: float) -> float:
        """Say how many seconds the fork parent takes to answer. Raises TryLater when it does not."""
        if self.parent is None:
            raise TryLater(failures.CHILD_NOT_READY, "the fork parent has not been started")
        return await self.parent.ping(seconds)

    async def _make(self, niceness: int = 0) -> WarmChild:
        parent = await self._living_parent()
        child = await parent.fork(self.settings.ready_seconds)
        if niceness:
            with suppress(ProcessLookupError):  # the warm-up notices a child that is dead already
                os.setpriority(os.PRIO_PROCESS, child.pid, niceness)  # its threads, made later, inherit it
        if self.settings.warm_up:
            await self._warm_up(child, self.settings.warm_up)
        return child

    async def _warm_up(self, child: WarmChild, task: str) -> None:
        seconds = self.settings.ready_seconds
        try:
            await child.run(Order(task, self.settings.warm_up_arguments, timeout_seconds=seconds))
        except LaurelError as error:
            await child.end(failures.CHILD_NOT_READY)
            raise TryLater(failures.CHILD_NOT_READY, f"a child could not warm up: {error.message}") from error

    async def _living_parent(self) -> ForkParent:
        async with self._starting:
            if self.stopped:
                raise TryLater(failures.CHILD_NOT_READY, "the worker is stopping: no more children are made")
            if self.parent and self.parent.gone:
                _log.warning("the fork parent %d has died; another one is started", self.parent.pid)
                await self.parent.stop()
                self.parent = None
            self.parent = self.parent or await ForkParent.start(self.settings)
            return self.parent
