"""The children of a worker: a set of named ones for each lifecycle that runs at once."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final

from domain.errors import LaurelError
from service.processes import failures
from service.processes.child_settings import ForkSettings
from service.processes.spawner import Supply, cancel_once
from service.processes.warm_child import OnProgress, Order, WarmChild

_NAMES: Final = ("train", "side")
_log = logging.getLogger("laurel.children")


class _Place:
    """One named child of a set; callers queue up for it, first come, first served."""

    def __init__(self, supply: Supply) -> None:
        self._supply = supply
        self._turn = asyncio.Lock()
        self._coming: asyncio.Task[WarmChild] | None = None
        self._working: WarmChild | None = None
        self._lease = 0

    async def run(self, order: Order, alive_until: Callable[[], float | None]) -> Any:
        lease = self._lease
        async with self._turn:
            if lease != self._lease:
                raise failures.given_back(order.task)
            child = self._working = await self.ready()
            try:
                return await child.run(order, alive_until())
            finally:
                self._working = None
                if child.held_bytes > self._supply.settings.recycle_bytes:
                    self._replace(child)
                    self._supply.later(child.end("recycled"))

    async def ready(self) -> WarmChild:
        """Wait for a living child."""
        while True:
            coming = self._prepare()
            try:
                child = await asyncio.shield(coming)
            except (LaurelError, OSError):
                self._forget(coming)
                raise
            if not child.died.done():
                return child
            self._forget(coming)

    def hold_until(self, alive_until: float | None) -> None:
        if self._working:
            self._working.hold_until(alive_until)

    async def cancel(self) -> None:
        if self._working:
            await self._working.end(failures.STEP_CANCELLED)

    async def give_back(self) -> None:
        """End what runs and refuse what waits: it belongs to a lifecycle that has left."""
        self._lease += 1
        await self.cancel()

    async def stop(self) -> None:
        if self._coming:
            await cancel_once({self._coming})

    def pid(self) -> int | None:
        child = self._present()
        return None if child is None or child.died.done() else child.pid

    def _present(self) -> WarmChild | None:
        there = self._coming and self._coming.done() and not self._coming.cancelled()
        return self._coming.result() if self._coming and there and not self._coming.exception() else None

    def _prepare(self) -> asyncio.Task[WarmChild]:
        """Have a child brought, unless one is there or on its way."""
        if self._coming is None:
            self._coming = asyncio.create_task(self._bring())
            self._coming.add_done_callback(_said)
        return self._coming

    async def _bring(self) -> WarmChild:
        child = await self._supply.take()
        child.died.add_done_callback(lambda _: self._replace(child))
        return child

    def _replace(self, child: WarmChild) -> None:
        """Be ready again before anybody asks."""
        if self._present() is child and not self._supply.stopped:
            self._coming = None
            self._prepare()

    def _forget(self, coming: asyncio.Task[WarmChild]) -> None:
        if self._coming is coming:
            self._coming = None


def _said(coming: asyncio.Task[WarmChild]) -> None:
    if not coming.cancelled() and (error := coming.exception()):
        _log.warning("no warm child: %s", error)


class ChildSet:
    """The named children of one lifecycle."""

    def __init__(self, supply: Supply, names: Iterable[str]) -> None:
        self._places = {name: _Place(supply) for name in names}
        self._alive_until: float | None = None

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
        **arguments: object,
    ) -> Any:
        """Run *task* ("package.module:function") in the child of that name and return its value.

        The time counts from when the child begins; `memory_bytes` bounds what its process group holds,
        `file_bytes` the files it writes. Arguments are picklable; the value is plain or the domain's.
        Cancelling this call kills the child's group.

        Raises what the task raised if it is the domain's, else NeverRetry `step_failed`; LeaseLost
        `lease_expired`; TryLater `step_died`, `step_timeout`, `out_of_memory`, `step_cancelled`,
        `child_not_ready`; Stop `preload_failed`.
        """
        order = Order(task, arguments, timeout_seconds, memory_bytes, file_bytes, on_progress)
        return await self._places[child].run(order, lambda: self._alive_until)

    def hold_until(self, alive_until: float | None) -> None:
        """Have what runs here, now and later, killed at *alive_until* (`time.monotonic()`); None: never.

        To be moved after each renewal of the lease. The fork parent does the killing, so it happens in time
        even while this process is stopped or its event loop hangs.
        """
        self._alive_until = alive_until
        for place in self._places.values():
            place.hold_until(alive_until)

    async def cancel(self, child: str) -> None:
        """Kill what runs in the child of that name, with its group: its caller gets `step_cancelled`."""
        await self._places[child].cancel()

    async def give_back(self) -> None:
        """Kill whatever runs here, and refuse whatever waits."""
        self.hold_until(None)
        await asyncio.gather(*(place.give_back() for place in self._places.values()))

    async def ready(self) -> None:
        """Wait until every child is there and warm."""
        await asyncio.gather(*(place.ready() for place in self._places.values()))

    async def stop(self) -> None:
        """Wait for no child any more."""
        await asyncio.gather(*(place.stop() for place in self._places.values()))

    def pids(self) -> dict[str, int | None]:
        """Say which process each child is; None while there is none."""
        return {name: place.pid() for name, place in self._places.items()}


class ChildApart:
    """One child with the `run` of a set; whatever name is asked for, it is this one."""

    def __init__(self, child: WarmChild) -> None:
        self._child = child

    async def run(
        self,
        _name: str,
        task: str,
        /,
        *,
        timeout_seconds: float | None = None,
        memory_bytes: int | None = None,
        on_progress: OnProgress | None = None,
        **arguments: object,
    ) -> Any:
        """Run a task, as `ChildSet.run` does, without a lease that could end."""
        order = Order(task, arguments, timeout_seconds, memory_bytes, on_progress=on_progress)
        return await self._child.run(order)


class Children:
    """All children of this worker: `sets` of them, one for each lifecycle at once, above one fork parent."""

    def __init__(self, settings: ForkSettings, *, sets: int = 1, names: Iterable[str] = _NAMES) -> None:
        names = tuple(names)
        self._supply = Supply(settings)
        self._sets = [ChildSet(self._supply, names) for _ in range(sets)]
        self._free: asyncio.Queue[ChildSet] = asyncio.Queue()
        for children in self._sets:
            self._free.put_nowait(children)

    async def start(self) -> None:
        """Start the fork parent and wait until every child is warm.

        Raises Stop `preload_failed`, TryLater `child_not_ready`.
        """
        try:
            await asyncio.gather(*(children.ready() for children in self._sets))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Kill every child and the fork parent, and wait until they are gone. Safe to repeat."""
        self._supply.stopped = True
        await asyncio.gather(*(children.stop() for children in self._sets))
        await self._supply.stop()

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[ChildSet]:
        """Borrow a set for one lifecycle; whatever still runs or waits in it at the end is killed."""
        children = await self._free.get()
        try:
            yield children
        finally:
            await children.give_back()
            self._free.put_nowait(children)

    @asynccontextmanager
    async def apart(self) -> AsyncIterator["ChildApart"]:
        """Make a child for what nobody waits for, which takes no time from others; it ends with the block."""
        child = await self._supply.make_patient()
        try:
            yield ChildApart(child)
        finally:
            await child.end("done")

    async def ping(self, seconds: float = 1.0) -> float:
        """Say how many seconds the fork parent takes to answer. Raises TryLater `child_not_ready`."""
        return await self._supply.ping(seconds)

    def pids(self) -> dict[str, int]:
        """Name every process that belongs to this: the fork parent and each child."""
        found = {
            f"{number}.{name}": pid
            for number, children in enumerate(self._sets)
            for name, pid in children.pids().items()
        }
        parent = self._supply.parent
        everyone = {"fork_parent": parent.pid if parent and not parent.gone else None, **found}
        return {name: pid for name, pid in everyone.items() if pid is not None}
