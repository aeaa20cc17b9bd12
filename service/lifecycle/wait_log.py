"""What the log says of one run's waits: neither a line for each try, nor silence for hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from domain.errors import TryLater
from domain.ports.clock import Clock
from domain.run import Run

_REMIND_SECONDS: Final = 300.0

log = structlog.get_logger()


@dataclass
class _Wait:
    began: float
    reason: str = ""
    told: float = 0.0


class ToldWaits:
    """Tells of each service: at the first wait, for another reason, every five minutes, and at the end.

    A run that was given back while it waited goes on from what its last claim, by any worker, had logged.
    """

    def __init__(self, clock: Clock, run: Run | None = None) -> None:
        self._clock = clock
        self._waits: dict[str, _Wait] = {}
        if run is not None and run.waiting_on is not None and run.waiting_since is not None:
            self._waits[run.waiting_on] = _told_before(run, run.waiting_since, clock)

    def waits(self, error: TryLater) -> bool:
        """Take note of a try that found a service away; True when the wait begins with it."""
        now, service = self._clock.monotonic(), str(error.waiting_on)
        begins = service not in self._waits
        wait = self._waits.setdefault(service, _Wait(now))
        if wait.reason != error.reason or now - wait.told >= _REMIND_SECONDS:
            wait.reason, wait.told = error.reason, now
            seconds = round(now - wait.began, 1)
            log.warning(
                "waiting", waiting_on=service, reason=error.reason, message=error.message, seconds=seconds
            )
        return begins

    def over(self, services: Iterable[str]) -> None:
        """Take note that these services are waited for no more."""
        for service in services:
            if wait := self._waits.pop(service, None):
                seconds = round(self._clock.monotonic() - wait.began, 1)
                log.info("wait_over", waiting_on=service, seconds=seconds)

    def all_over(self) -> None:
        """Take note that nothing is waited for any more: the run is left."""
        self.over(tuple(self._waits))


def _told_before(run: Run, since: datetime, clock: Clock) -> _Wait:
    """What was told until the row was written last, by the rule that is followed here."""
    began = clock.monotonic() - (clock.now() - since).total_seconds()
    reminders = (run.updated_at - since).total_seconds() // _REMIND_SECONDS
    reason = "" if run.failure is None else run.failure.reason
    return _Wait(began, reason, began + max(reminders, 0.0) * _REMIND_SECONDS)
