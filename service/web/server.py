"""uvicorn as a part of this process: what stops its start is told in a sentence, and it ends in order."""

import asyncio
import contextlib
import gc
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from domain.errors import Stop

log = structlog.get_logger("laurel.web")

_BACKLOG: Final = 2048
# Longer than clients and balancers keep a connection, so that no request meets one that is just closing.
_IDLE_SECONDS: Final = 75
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
        prepare: Callable[[], Coroutine[Any, Any, None]],
        *,
        role: str,
        prefix: str,
        grace_seconds: float,
        on_stop: Callable[[], None] | None = None,
    ) -> None:
        self._prepare = prepare
        self._on_stop = on_stop
        self._role = role
        self._prefix = prefix
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                backlog=_BACKLOG,
                timeout_keep_alive=_IDLE_SECONDS,
                timeout_graceful_shutdown=round(grace_seconds) or 1,
            )
        )

    def stop(self) -> None:
        """Take no more connections, finish what is in hand, and end."""
        if self._on_stop is not None:
            self._on_stop()
        self._uvicorn.should_exit = True

    async def run(self, host: str, port: int) -> None:
        """Serve until `stop`, SIGTERM or Ctrl-C. Raises Stop when the port is taken or a part dies."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        listening = _listen(host, port, self._prefix)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self.stop)
        log.info("listening", role=self._role, host=host, port=listening.getsockname()[1])
        async with self._starting():
            await self._uvicorn.serve([listening])
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


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: uvicorn would raise them again at its end, and so be killed."""
        yield


def _listen(host: str, port: int, prefix: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise Stop("cannot_start", f"{prefix}__HOST: {host!r} is no address of this machine") from error
    except OSError as error:
        raise Stop(
            "port_taken",
            f"cannot listen on {host}:{port} ({error.strerror}); set {prefix}__PORT, 0 for any free one",
        ) from error
    return listening
