"""What the log says of one run's waits: neither a line for each try, nor silence for hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from domain.errors import TryLater
from domain.ports.clock import Clock

_REMIND_SECONDS: Final = 300.0

log = structlog.get_logger()


@dataclass
class _Wait:
    began: float
    reason: str = ""
    told: float = 0.0


class ToldWaits:
    """Tells of each service: at the first wait, for another reason, every five minutes, and at the end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waits: dict[str, _Wait] = {}

    def waits(self, error: TryLater) -> None:
        """Take note of a try that found a service away."""
        now, service = self._clock.monotonic(), str(error.waiting_on)
        wait = self._waits.setdefault(service, _Wait(now))
        if wait.reason != error.reason or now - wait.told >= _REMIND_SECONDS:
            wait.reason, wait.told = error.reason, now
            seconds = round(now - wait.began, 1)
            log.warning(
                "waiting", waiting_on=service, reason=error.reason, message=error.message, seconds=seconds
            )

    def over(self, services: Iterable[str]) -> None:
        """Take note that these services are waited for no more."""
        for service in services:
            if wait := self._waits.pop(service, None):
                seconds = round(self._clock.monotonic() - wait.began, 1)
                log.info("wait_over", waiting_on=service, seconds=seconds)

    def all_over(self) -> None:
        """Take note that nothing is waited for any more: the run is left."""
        self.over(tuple(self._waits))
