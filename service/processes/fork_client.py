"""The worker's end of the fork parent: start it, ask it for children, hear of their deaths."""

import asyncio
import contextlib
import itertools
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from domain.errors import Stop, TryLater
from service.processes import failures, kernel
from service.processes.child_settings import ForkSettings
from service.processes.child_table import Death, Watch
from service.processes.warm_child import WarmChild
from service.processes.wire import pack, unpack_plain

T = TypeVar("T")
_LARGEST_MESSAGE: Final = 1 << 18
_FAREWELL_SECONDS: Final = 4.0
_STDERR: Final = 2
_UNCUSTOMIZED: Final = Path(__file__).with_name("uncustomized")


class ForkParent:
    """A running fork parent. When it dies, its children are dead too, and another one has to be started."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.pid = process.pid
        self.gone = False
        self._process = process
        self._control = control
        self._numbers = itertools.count()
        self._asked: dict[int, asyncio.Future[tuple[Any, ...]]] = {}
        self._deaths: dict[int, asyncio.Future[Death]] = {}
        control.setblocking(False)  # noqa: FBT003 - its only parameter
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(control, self._hear)

    @classmethod
    async def start(cls, settings: ForkSettings) -> Self:
        """Start one and wait for its preload. Raises Stop `preload_failed`, TryLater `child_not_ready`."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                parent = cls(await _launch(settings, theirs.fileno()), ours)
        except BaseException:
            ours.close()
            raise
        try:
            outcome, told = await parent._answer(next(parent._numbers), settings.ready_seconds)
        except BaseException:
            await parent._give_up()
            raise
        if outcome == "refused":
            await parent.stop()
            raise Stop(failures.PRELOAD_FAILED, f"the warm children cannot start: {told}")
        return parent

    async def fork(self, seconds: float) -> WarmChild:
        """Make a new child within *seconds*. Raises TryLater `child_not_ready`."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                number = next(self._numbers)
                self._tell(("fork", number), theirs.fileno())
                pid, died = await self._fork_answer(number, seconds)
            return WarmChild(pid, self, died, await asyncio.open_unix_connection(sock=ours))
        except BaseException:
            ours.close()  # a child that was made all the same sees this end closed, and ends
            raise

    def watch(self, pid: int, watch: Watch | None) -> None:
        """Hold a child to these limits from now on."""
        self._tell(("watch", pid, watch))

    def end(self, pid: int, serial: int, reason: str) -> None:
        """Kill a child with its group."""
        self._tell(("end", pid, serial, reason))

    async def ping(self, seconds: float) -> float:
        """Say how many seconds the fork parent takes to answer. Raises TryLater when it does not."""
        started, number = time.monotonic(), next(self._numbers)
        self._tell(("ping", number))
        await self._answer(number, seconds)
        return time.monotonic() - started

    async def stop(self) -> None:
        """End it with every child, and wait until it is gone. Safe to repeat."""
        self._lose()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), _FAREWELL_SECONDS)
            return
        await self._give_up()

    async def _give_up(self) -> None:
        """Kill it. Its children go down with it."""
        self._lose()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    async def _fork_answer(self, number: int, seconds: float) -> tuple[int, asyncio.Future[Death]]:
        try:
            outcome, *told = await self._answer(number, seconds)
        except TryLater:
            await self._give_up()  # one that does not answer is of no use
            raise
        if outcome == "unforked":
            raise _not_ready(told[0])
        pid, died = told
        return pid, died

    def _tell(self, message: tuple[object, ...], *descriptors: int) -> None:
        with contextlib.suppress(OSError):  # a fork parent that is gone is noticed where we hear it
            socket.send_fds(self._control, [pack(message)], descriptors)

    async def _answer(self, number: int, seconds: float) -> tuple[Any, ...]:
        if self.gone:
            raise _not_ready("it has died")
        answer = self._asked[number] = self._loop.create_future()
        try:
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            raise _not_ready(f"no answer within {seconds:g} s") from None
        finally:
            self._asked.pop(number, None)

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := self._receive():
                self._take(*unpack_plain(data))
            self._lose()

    def _receive(self) -> bytes:
        try:
            return self._control.recv(_LARGEST_MESSAGE)
        except ConnectionError:
            return b""

    def _take(self, kind: str, number: int, *details: Any) -> None:
        if kind == "died":
            _settle(self._deaths.pop(number), Death(*details))
            return
        if kind == "forked":  # it may be dead before its requester is awake
            self._deaths[details[0]] = died = self._loop.create_future()
            details = (*details, died)
        if answer := self._asked.get(number):
            _settle(answer, (kind, *details))

    def _lose(self) -> None:
        """Part from the fork parent. It kills its children when this end closes; if it is dead, we do."""
        if self.gone:
            return
        self.gone = True
        self._loop.remove_reader(self._control)
        self._control.close()
        for pid, death in self._deaths.items():
            kernel.kill_group(pid)
            _settle(death, failures.UNTOLD_DEATH)
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(_not_ready("it has died"))


def _settle(future: asyncio.Future[T], result: T) -> None:
    """Set a result that may come too late."""
    if not future.done():
        future.set_result(result)


def _not_ready(why: str) -> TryLater:
    return TryLater(failures.CHILD_NOT_READY, f"the fork parent gave no child: {why}")


async def _launch(settings: ForkSettings, control: int) -> asyncio.subprocess.Process:
    """Start the process, away from this terminal's signals, able to import whatever this process can.

    It must be this thread: the kernel ties a death signal to the thread that made the process.
    """
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "service.processes.fork_server"),
        *(str(control), str(os.getpid()), settings.log_level, *settings.preload),
        pass_fds=(control,),
        start_new_session=True,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=_STDERR,  # whatever a library prints must not mix with what a command answers
        env={**os.environ, **settings.variables(), "PYTHONPATH": _import_path()},
    )


def _import_path() -> str:
    """Return this process's import path without its customisation; an empty entry is the folder we are in."""
    return os.pathsep.join(str(Path(path).absolute()) for path in (str(_UNCUSTOMIZED), *sys.path))
