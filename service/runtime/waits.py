"""Which services the runs of this worker wait for, also of those that gave their slot back meanwhile."""

import math
from collections.abc import Collection
from typing import Final

from service.runtime.metrics import Metrics

_CLAIM_SECONDS: Final = 30.0  # a run that is due and not claimed here by then is another worker's


class Waits:
    """Holds the gauge `laurel_waiting` at 1 for a service as long as one run waits for it."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, str], float] = {}  # by run and service; moments of the monotonic clock
        self._shown: set[str] = set()

    def begin(self, run_id: str, service: str, metrics: Metrics) -> None:
        """A run in hand waits for a service."""
        self._until[run_id, service] = math.inf
        self._show(metrics)

    def over(self, run_id: str, metrics: Metrics, services: Collection[str] | None = None) -> None:
        """A run waits for these services, or for any, no more."""
        for run, service in list(self._until):
            if run == run_id and (services is None or service in services):
                del self._until[run, service]
        self._show(metrics)

    def put_off(self, run_id: str, due: float) -> None:
        """A run gave its slot back until `due`, and waits on."""
        for key in self._until:
            if key[0] == run_id:
                self._until[key] = due + _CLAIM_SECONDS

    def look(self, now: float, metrics: Metrics) -> None:
        """Forget the runs that were not taken again here in time."""
        self._until = {key: until for key, until in self._until.items() if until > now}
        self._show(metrics)

    def _show(self, metrics: Metrics) -> None:
        waited_for = {service for _, service in self._until}
        for service in waited_for | self._shown:
            metrics.set("laurel_waiting", float(service in waited_for), service=service)
        self._shown = waited_for
