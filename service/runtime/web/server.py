"""A role that is an HTTP server: it gets ready beside its serving, and is taken out of service in order."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Final

import structlog
from starlette.types import ASGIApp

from domain.errors import Stop
from service.runtime.web.drain import Drain
from service.runtime.web.http_server import Shell

log = structlog.get_logger("laurel.web")

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
