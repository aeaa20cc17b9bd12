"""A long-lived process: it answers from its first moment, waits for what is away, and ends in order."""

import asyncio
import contextlib
import gc
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field

import structlog

from domain.errors import LaurelError, Stop, TryLater
from domain.values import build_models
from service.runtime.health import Ping, Readiness, Vitals
from service.runtime.metrics import Metrics
from service.runtime.retry import RetryPolicy
from service.runtime.web.health import Drain, Health, health_app
from service.runtime.web.http_server import Shell

log = structlog.get_logger("laurel.role")

_START_RETRIES = RetryPolicy(first_pause=0.5, longest_pause=5.0)
_STARTING = "start"
_LAST_ANSWERS_SECONDS = 1.0


@dataclass
class Parts:
    """What a role is made of: tasks by name, other signs of life, services that it cannot be without."""

    tasks: dict[str, Callable[[], Coroutine[object, object, None]]] = field(default_factory=dict)
    signs: dict[str, Callable[[], bool]] = field(default_factory=dict)
    pings: dict[str, Ping] = field(default_factory=dict)


OpenParts = Callable[[], AbstractAsyncContextManager[Parts]]


class Role:
    """Opens its parts as soon as their services answer, and ends when asked, or when a part dies."""

    def __init__(
        self,
        name: str,
        open_parts: OpenParts,
        metrics: Metrics,
        *,
        grace_seconds: float,
        slow_start_seconds: float = 30.0,
    ) -> None:
        self.name = name
        self.stopping = asyncio.Event()
        self.ready = asyncio.Event()
        self._open_parts = open_parts
        self._grace_seconds = grace_seconds
        self._slow_start_seconds = slow_start_seconds
        self._problem = "starting"
        self._pings: dict[str, Ping] = {_STARTING: self._started}
        self._vitals = Vitals()
        self._readiness = Readiness(self._pings)
        self._drain = Drain()
        health = Health(self._readiness, metrics.render, drain=self._drain, dead=self._vitals.dead)
        unless = f"end what listens there, or set another port for {name} in its …_PORT, 0 for any free one"
        self._shell = Shell(
            health_app(health), unless=unless, grace_seconds=_LAST_ANSWERS_SECONDS, drain=self._drain
        )

    async def run(self, host: str, port: int) -> None:
        """Serve health on `host`:`port` and live until `stop`. Raises Stop when the role cannot go on."""
        async with self._shell.serving(host, port) as bound:
            log.info("listening", role=self.name, host=host, port=bound)
            try:
                await self._live()
            finally:
                log.info("ended", role=self.name)

    def stop(self) -> None:
        """End within the grace: what is in hand is given back."""
        self._drain.begin()
        self.stopping.set()

    def stop_on_signals(self) -> None:
        """End in order on SIGTERM and on Ctrl-C."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    async def _live(self) -> None:
        async with AsyncExitStack() as stack:
            parts = await self._opened(stack)
            if parts is not None:
                await self._supervise(parts)

    async def _opened(self, stack: AsyncExitStack) -> Parts | None:
        """Open the parts, waiting visibly for services that are away; None when asked to end meanwhile."""
        for pause in _START_RETRIES.pauses():
            opening = asyncio.create_task(stack.enter_async_context(self._open_parts()))
            await self._first_of(opening, asyncio.create_task(self._stopping_told_of()))
            if not opening.done():
                opening.cancel()
                await asyncio.gather(opening, return_exceptions=True)
                return None
            try:
                return opening.result()
            except TryLater as error:
                self._problem = error.message
                log.warning("waiting_to_start", role=self.name, reason=error.reason, message=error.message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)
                return None
        return None

    async def _stopping_told_of(self) -> None:
        """Wait until asked to end. A start may take minutes without an error: they must not be silent."""
        began = time.monotonic()
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), self._slow_start_seconds)
                return
            log.warning("still_starting", role=self.name, seconds=round(time.monotonic() - began))

    async def _supervise(self, parts: Parts) -> None:
        tasks = {asyncio.create_task(make(), name=name) for name, make in parts.tasks.items()}
        for task in tasks:
            self._vitals.watch_task(task.get_name(), task)
        for name, alive in parts.signs.items():
            self._vitals.watch(name, alive)
        self._pings.update(parts.pings)
        build_models()
        _spare_the_collector()
        self._problem = ""
        self._readiness.forget()
        self.ready.set()
        log.info("running", role=self.name, parts=sorted(parts.tasks))
        try:
            await self._first_of(*tasks, asyncio.create_task(self.stopping.wait()))
            _raise_for_the_dead(tasks)
        finally:
            await self._end(tasks)

    async def _end(self, tasks: set[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        _, late = await asyncio.wait(tasks, timeout=self._grace_seconds)
        if late:
            log.error("grace_over", role=self.name, late=sorted(task.get_name() for task in late))

    async def _first_of(self, *tasks: asyncio.Task[object]) -> None:
        waiting = tasks[-1]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    async def _started(self) -> None:
        if self._problem:
            raise TryLater("starting", self._problem)


def _spare_the_collector() -> None:
    """Keep what was loaded out of later collections: walking it all again stops every answer for 0.1 s."""
    gc.collect()
    gc.freeze()


def _raise_for_the_dead(tasks: set[asyncio.Task[None]]) -> None:
    """A task of a role never ends by itself: if one did, the process must end too, and be restarted."""
    for task in tasks:
        if task.done() and not task.cancelled():
            error = task.exception()
            if isinstance(error, LaurelError):
                raise Stop(error.reason, f"{task.get_name()}: {error.message}") from error
            raise Stop("part_died", f"{task.get_name()} ended: {type(error).__name__}") from error
