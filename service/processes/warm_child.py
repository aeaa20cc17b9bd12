"""The worker's end of one child: send a task, read its outcome, notice its death."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from service.processes import failures
from service.processes.child_table import Death, Watch
from service.processes.wire import NotPlain, frame, pack, read_frame, unpack_plain

OnProgress = Callable[[Mapping[str, object]], None]
_DYING_SECONDS: Final = 5.0  # SIGKILL takes longer only for a process that hangs in the kernel


class Keeper(Protocol):
    """Who holds a child to its limits and can end it: the fork parent."""

    def watch(self, pid: int, watch: Watch | None) -> None:
        """Hold the child to these limits; None for no more limits."""

    def end(self, pid: int, serial: int, reason: str) -> None:
        """Kill the child and its group."""


@dataclass(frozen=True)
class Order:
    """One task with its arguments (picklable values) and its limits."""

    task: str
    arguments: Mapping[str, object]
    timeout_seconds: float | None = None
    memory_bytes: int | None = None
    file_bytes: int | None = None
    on_progress: OnProgress | None = None

    def watch(self, serial: int, alive_until: float | None) -> Watch:
        """Say what the fork parent has to hold the child to, from now on."""
        deadlines = _lease_end(alive_until)
        if self.timeout_seconds is not None:
            deadlines[failures.STEP_TIMEOUT] = time.monotonic() + self.timeout_seconds
        return Watch(serial, deadlines, self.memory_bytes)


def _lease_end(alive_until: float | None) -> dict[str, float]:
    return {} if alive_until is None else {failures.LEASE_EXPIRED: alive_until}


class WarmChild:
    """One child process. It runs one task at a time: its user ensures that."""

    def __init__(
        self,
        pid: int,
        keeper: Keeper,
        died: asyncio.Future[Death],
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.pid = pid
        self.died = died
        self.held_bytes = 0
        self._keeper = keeper
        self._reader, self._writer = streams
        self._watch = Watch(0, {}, None)
        died.add_done_callback(lambda _: self._writer.close())

    async def run(self, order: Order, alive_until: float | None = None) -> Any:
        """Run one task and return its value.

        Raises what the task raised if it is the domain's, NeverRetry for any other exception, TryLater when
        the child died or was killed at a limit. A caller that is cancelled here leaves no task running.
        """
        request = frame(pack((order.task, dict(order.arguments), order.file_bytes)))
        self._limit(order.watch(self._watch.serial + 1, alive_until))
        try:
            kind, value, self.held_bytes = await self._exchange(request, order.on_progress)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise failures.death(order.task, await self._death(), self._watch) from None
        except NotPlain as error:
            raise failures.failed(order.task, type(error).__name__, str(error)) from error
        except BaseException:
            await self.end(failures.STEP_CANCELLED)
            raise
        finally:
            self._limit(Watch(self._watch.serial, {}, None))
        return _sorted(order, kind, value)

    def hold_until(self, alive_until: float | None) -> None:
        """Move the moment at which the child is killed if it is still at work."""
        others = {key: end for key, end in self._watch.deadlines.items() if key != failures.LEASE_EXPIRED}
        self._limit(replace(self._watch, deadlines={**others, **_lease_end(alive_until)}))

    async def end(self, reason: str) -> None:
        """Kill the child with its group and wait until it is gone."""
        self._keeper.end(self.pid, self._watch.serial, reason)
        await self._death()

    def _limit(self, watch: Watch) -> None:
        """Tell the fork parent what is new; nothing for a task that has no limits."""
        told, self._watch = self._watch, watch
        if (told.deadlines, told.memory_bytes) != (watch.deadlines, watch.memory_bytes):
            limited = watch.deadlines or watch.memory_bytes is not None
            self._keeper.watch(self.pid, watch if limited else None)

    async def _exchange(self, request: bytes, on_progress: OnProgress | None) -> Any:
        self._writer.write(request)
        await self._writer.drain()
        while True:
            message = unpack_plain(await read_frame(self._reader))
            if message[0] != "progress":
                return message
            if on_progress:
                on_progress(message[1])

    async def _death(self) -> Death:
        await asyncio.wait({self.died}, timeout=_DYING_SECONDS)
        if not self.died.done():  # nobody buries it: use it no more
            self.died.set_result(failures.UNTOLD_DEATH)
        return self.died.result()


def _sorted(order: Order, kind: str, value: Any) -> Any:
    match kind:
        case "done":
            return value
        case "raised":
            raise value
        case "out_of_memory":
            raise failures.out_of_memory(order.task, order.memory_bytes)
        case _:
            raise failures.failed(order.task, *value)
