"""LISTEN on one connection for the whole process: nobody polls, and nothing committed is slept through."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import sql

from domain.errors import Stop
from service.adapters.postgres.connections import PromptConnection
from service.runtime.clock import RecordClock
from service.runtime.lazy_log import LaterLog

WORK: Final = "laurel_work"  # a run was added or became runnable
OUTBOX: Final = "laurel_outbox"  # a row was committed to the outbox
LEDGER: Final = "laurel_ledger"  # a generation was appended outside of a run
CALLED_OFF: Final = "laurel_cancelled"  # a run was cancelled, held or not

_PROBE_SECONDS: Final = 10.0  # how often a silent connection is asked whether it is still there
_ANSWER_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_DEAF_SECONDS: Final = 10.0  # to connect again takes less, unless something is wrong

# The session says itself what it listens to: a pooler between may have given it to somebody else.
_CHANNELS: Final = "SELECT pg_catalog.clock_timestamp(), ARRAY(SELECT pg_catalog.pg_listening_channels())"

log = LaterLog(__name__)


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


class NotificationListener:
    """Rings the bell of a channel at each notification; connects again for as long as it takes.

    `refusal` says why nobody can listen here, while that is so: a pooler does not keep sessions.
    `trouble` says that nobody has listened for some time, and why.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[PromptConnection]],
        bells: Mapping[str, Bell],
        clock: RecordClock,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._bells = bells
        self._pause = _FIRST_PAUSE
        self._deaf_since: float | None = time.monotonic()
        self._lost_by = "it has just begun"
        self.refusal: Stop | None = None

    @property
    def trouble(self) -> str | None:
        """Why work is heard of late; None while somebody listens, or for a moment does not."""
        if self._deaf_since is None or (seconds := time.monotonic() - self._deaf_since) < _DEAF_SECONDS:
            return None
        return f"nobody has listened for {seconds:.0f} s: {self._lost_by}"

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                await self._listen()
            except (psycopg.Error, TimeoutError, Stop) as error:
                self._lose(error)
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def _lose(self, error: Exception) -> None:
        self.refusal = error if isinstance(error, Stop) else None
        self._lost_by = str(error).partition("\n")[0] or f"no answer within {_ANSWER_SECONDS:g} s"
        if self._deaf_since is None:
            self._deaf_since = time.monotonic()
        log.warning("postgres_listener_lost", error=type(error).__name__)

    async def _listen(self) -> None:
        async with await self._connect() as connection:
            async with asyncio.timeout(_ANSWER_SECONDS):
                for channel in self._bells:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            await self._require_channels(connection)
            self._pause, self.refusal, self._deaf_since = _FIRST_PAUSE, None, None
            for bell in self._bells.values():
                bell.ring()  # for what was committed while nobody listened
            while True:
                async for notification in connection.notifies(timeout=_PROBE_SECONDS):
                    self._bells[notification.channel].ring()
                await self._require_channels(connection)

    async def _require_channels(self, connection: PromptConnection) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            row = await (await connection.execute(_CHANNELS)).fetchone()
        moment, channels = row or (self._clock.now(), [])
        self._clock.read(moment)
        if missing := self._bells.keys() - set(channels):
            raise psycopg.OperationalError(f"the session does not listen to {', '.join(sorted(missing))}")
