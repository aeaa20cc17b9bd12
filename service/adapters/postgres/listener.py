"""LISTEN on one connection for the whole process: nobody polls, and nothing committed is slept through."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import psycopg
import structlog
from psycopg import sql

from domain.errors import Stop
from service.adapters.postgres.connections import PromptConnection

WORK: Final = "laurel_work"  # a run was added or became runnable
OUTBOX: Final = "laurel_outbox"  # a row was committed to the outbox

_PROBE_SECONDS: Final = 10.0  # how often a silent connection is asked whether it is still there
_ANSWER_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0

log = structlog.get_logger()


class Bell:
    """Counts notifications, so that one that comes before the waiting begins is not missed."""

    def __init__(self) -> None:
        self.rings = 0
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everyone who waits."""
        self.rings += 1
        self._rung.set()
        self._rung = asyncio.Event()

    async def beyond(self, rings: int, timeout_seconds: float) -> None:
        """Return when it has rung more than `rings` times, or when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.rings <= rings:
                    await self._rung.wait()


class Listener:
    """Rings the bell of a channel at each notification; connects again for as long as it takes.

    `refusal` says why nobody can listen here, while that is so: a pooler does not keep sessions.
    """

    def __init__(self, connect: Callable[[], Awaitable[PromptConnection]], bells: Mapping[str, Bell]) -> None:
        self._connect = connect
        self._bells = bells
        self._pause = _FIRST_PAUSE
        self.refusal: Stop | None = None

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, TimeoutError, Stop) as error:
                self.refusal = error if isinstance(error, Stop) else None
                log.warning("postgres_listener_lost", error=type(error).__name__)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    async def _listen(self) -> None:
        async with await self._connect() as connection:
            async with asyncio.timeout(_ANSWER_SECONDS):
                for channel in self._bells:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self._pause, self.refusal = _FIRST_PAUSE, None
            for bell in self._bells.values():
                bell.ring()  # for what was committed while nobody listened
            while True:
                async for notification in connection.notifies(timeout=_PROBE_SECONDS):
                    self._bells[notification.channel].ring()
                async with asyncio.timeout(_ANSWER_SECONDS):
                    await connection.execute("SELECT 1")
