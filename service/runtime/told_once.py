"""A failure that stays is logged once, and again when its reason changes or it was over meanwhile."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import structlog

from domain.errors import LaurelError
from domain.ports.clock import Clock

log = structlog.get_logger()


class ToldOnce:
    """Takes the errors of something that is done again and again."""

    def __init__(self, event: str) -> None:
        self._event = event
        self._reason: str | None = None

    @contextmanager
    def told(self) -> Iterator[None]:
        """Leave the block at a LaurelError, which is logged unless it was the last time too."""
        try:
            yield
        except LaurelError as error:
            if error.reason != self._reason:
                log.warning(self._event, reason=error.reason, message=error.message)
            self._reason = error.reason
        else:
            self._reason = None


async def look_forever(
    look: Callable[[], Awaitable[None]], failed: str, clock: Clock, *, pause_seconds: float = 10.0
) -> None:
    """Look at once and then after every pause; no failure ends it, and `failed` is its event in the log."""
    failures = ToldOnce(failed)
    while True:
        with failures.told():
            await look()
        await clock.sleep(pause_seconds)
