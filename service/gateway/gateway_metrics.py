"""What Prometheus reads of the HTTP API."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Histogram

from service.runtime.identity_labels import Identified
from service.runtime.web.methods import METHODS

_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class ApiMetrics:
    """Requests by page and status; a page is its route, never an id."""

    def __init__(self, model: str) -> None:
        self._shown = Identified(model, "api")
        registry = self._shown.registry
        self._requests = Counter(
            "laurel_api_requests_total", "requests", ("method", "page", "status"), registry=registry
        )
        self._seconds = Histogram(
            "laurel_api_request_duration_seconds",
            "request to the end of its answer",
            ("page",),
            buckets=_BUCKETS,
            registry=registry,
        )

    def expect(self, method: str, page: str, statuses: Iterable[int]) -> None:
        """Begin a page's series at 0, so that the first refusal or defect is seen to grow."""
        self._seconds.labels(page)
        for status in statuses:
            self._requests.labels(method, page, str(status))

    def answered(self, method: str, page: str | None, status: int, seconds: float) -> None:
        """Count one answer to a call by `method` of a page; None: there is no such page."""
        method = method if page and method in METHODS else "other"
        page = page or "other"
        self._requests.labels(method, page, str(status)).inc()
        self._seconds.labels(page).observe(seconds)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return self._shown.render()
