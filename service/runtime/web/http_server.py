"""The HTTP server of every role: uvicorn as a part of this process, bounded, and ended in order."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from domain.errors import Stop
from service.runtime.web.connection_limits import BOUNDS, Hall
from service.runtime.web.drain import Drain
from service.runtime.web.protocol import BoundedProtocol
from service.runtime.web.refusal_log import RefusalLog

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
