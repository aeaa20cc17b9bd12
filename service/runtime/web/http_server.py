"""The HTTP server of every role: uvicorn as a part of this process, bounded, and ended in order.

A role that is a server gets ready beside its serving, and is taken out of service in order.
"""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from domain.errors import Stop
from service.runtime.web.connection_limits import BOUNDS, Hall, RefusalLog
from service.runtime.web.health import Drain
from service.runtime.web.protocol import BoundedProtocol

log = structlog.get_logger("laurel.web")

_BACKLOG: Final = 2048
# Longer than clients and balancers keep a connection, so that no request meets one that is just closing.
_IDLE_SECONDS: Final = 75
_TICK_SECONDS: Final = 1.0  # uvicorn renews its Date header


class Shell:
    """Serves `app`; `unless` says what to set when its address is taken."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        unless: str,
        grace_seconds: float,
        drain: Drain | None = None,
    ) -> None:
        self._unless = unless
        self._drain = drain or Drain()
        self._hall = Hall(BOUNDS, self._drain, RefusalLog(log))
        self._serving: asyncio.Task[None] | None = None
        protocol: Any = partial(BoundedProtocol, hall=self._hall)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=round(grace_seconds) or 1,
            )
        )

    @contextlib.asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve for as long as the block lasts, and give the port. Raises Stop when it is taken."""
        listening = _listen(host, port, self._unless)
        self._hall.open()
        bound: int = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._uvicorn.serve([listening]), name="http")
        try:
            yield bound
        finally:
            await self.close()

    def drain(self) -> float:
        """Begin to be taken out of service; return in how many seconds it may be closed."""
        if self._drain.is_on or not self._drain.seconds:
            return 0.0
        self._drain.begin()
        for connection in list(self._uvicorn.server_state.connections):
            if isinstance(connection, BoundedProtocol):  # there are no others
                connection.leave_after_answer()
        return self._drain.seconds

    async def close(self) -> None:
        """Take no more connections, and finish what is in hand."""
        self._uvicorn.end()
        if self._serving is not None:
            await self._serving


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    def end(self) -> None:
        """Leave the main loop."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """Wake up at the end at once, where uvicorn looks for it ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK_SECONDS)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: uvicorn would raise them again at its end, and so be killed."""
        yield


def _listen(host: str, port: int, unless: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise Stop("cannot_start", f"{host!r} is not an address of this machine; {unless}") from error
    except OSError as error:
        raise Stop("port_taken", f"cannot listen on {host}:{port} ({error.strerror}); {unless}") from error


# Beside a model that is being loaded, each answer waits this long for the interpreter, several times.
_SWITCH_SECONDS: Final = 0.0005


class Server:
    """Serves `app` until it is told to stop; `prepare` gets ready beside the serving.

    `prefix` is that of its settings, such as API, for what is said when it cannot listen;
    `on_stop` lets go of answers that would never end by themselves.
    """

    def __init__(
        self,
        app: ASGIApp,
        prepare: Callable[[], Coroutine[object, object, None]],
        *,
        role: str,
        prefix: str,
        grace_seconds: float,
        drain: Drain | None = None,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._prepare = prepare
        self._on_stop = on_stop
        self._role = role
        unless = f"set {prefix}__HOST to an address of this machine, {prefix}__PORT to 0 for any free port"
        self._shell = Shell(app, unless=unless, grace_seconds=grace_seconds, drain=drain)
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Take no more connections, finish what is in hand, and end."""
        self._stopped.set()

    def leave(self) -> None:
        """Be taken out of service before the end; a second call ends that."""
        seconds = self._shell.drain()
        if not seconds:
            self.stop()
            return
        log.info("draining", role=self._role, seconds=seconds)
        asyncio.get_running_loop().call_later(seconds, self.stop)

    async def run(self, host: str, port: int) -> None:
        """Serve until `stop`, SIGTERM or Ctrl-C. Raises Stop when the port is taken or a part dies."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        async with self._shell.serving(host, port) as bound:
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, self.leave)
            log.info("listening", role=self._role, host=host, port=bound)
            async with self._starting():
                await self._stopped.wait()
                if self._on_stop is not None:
                    self._on_stop()
                await self._shell.close()
        log.info("ended", role=self._role)

    @contextlib.asynccontextmanager
    async def _starting(self) -> AsyncIterator[None]:
        """Get ready beside the serving; what dies of it stops the server."""
        preparing = asyncio.create_task(self._prepare(), name="start")
        preparing.add_done_callback(self._started)
        try:
            yield
        finally:
            preparing.cancel()
            await asyncio.wait([preparing])
        if not preparing.cancelled() and (error := preparing.exception()) is not None:
            if isinstance(error, Stop):
                raise error
            raise Stop("part_died", f"getting ready ended: {type(error).__name__}") from error

    def _started(self, preparing: asyncio.Task[None]) -> None:
        if not preparing.cancelled() and preparing.exception() is not None:
            self.stop()
        # What was loaded is kept out of later collections: walking it all again would stop every answer.
        gc.collect()
        gc.freeze()
