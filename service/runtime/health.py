"""Whether a process is alive, and whether every service that it needs answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Final

from domain.errors import LaurelError

Ping = Callable[[], Awaitable[None]]

_KEPT_SECONDS: Final = 1.0


class Vitals:
    """What this process cannot be without: tasks that may not end, and other signs of life."""

    def __init__(self) -> None:
        self._signs: dict[str, Callable[[], bool]] = {}

    def watch(self, name: str, alive: Callable[[], bool]) -> None:
        """Ask `alive` each time."""
        self._signs[name] = alive

    def watch_task(self, name: str, task: asyncio.Task[object]) -> None:
        """A task that is done is dead, however it ended."""
        self.watch(name, lambda: not task.done())

    def dead(self) -> list[str]:
        """The names of what has died."""
        return [name for name, alive in self._signs.items() if not alive()]


class Readiness:
    """Whether every service that this process needs answers now.

    However many ask, the services are asked once at a time, and what they said holds for a second.
    """

    def __init__(
        self, pings: Mapping[str, Ping], *, timeout_seconds: float = 2.0, kept_seconds: float = _KEPT_SECONDS
    ) -> None:
        self._pings = pings
        self._timeout_seconds = timeout_seconds
        self._kept_seconds = kept_seconds
        self._look: asyncio.Task[dict[str, str]] | None = None
        self._holds_until = 0.0

    async def missing(self) -> dict[str, str]:
        """Why, by the name of each service that does not answer."""
        look = self._look
        if look is None or (look.done() and monotonic() >= self._holds_until):
            look = self._look = asyncio.create_task(self._asked(), name="readiness")
        return dict(await asyncio.shield(look))

    def forget(self) -> None:
        """Ask again, since this process itself has changed."""
        self._look = None

    async def _asked(self) -> dict[str, str]:
        """Ask all, side by side."""
        names = tuple(self._pings)
        answers = await asyncio.gather(*(self._why(self._pings[name]) for name in names))
        self._holds_until = monotonic() + self._kept_seconds
        return {name: why for name, why in zip(names, answers, strict=True) if why is not None}

    async def _why(self, ping: Ping) -> str | None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await ping()
        except TimeoutError:
            return f"no answer within {self._timeout_seconds:g} s"
        except LaurelError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - any failure of a ping is an answer; its text may hold a secret
            return type(error).__name__
        return None
