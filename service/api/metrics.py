"""What Prometheus reads of the HTTP door."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from starlette.types import Scope

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class ApiMetrics:
    """Requests by page and status; a page is its route, never an id."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "laurel_api_requests_total", "requests", ("method", "page", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "laurel_api_request_duration_seconds",
            "request to the end of its answer",
            ("page",),
            buckets=_BUCKETS,
            registry=self._registry,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one answer."""
        route = scope.get("route")
        page = getattr(route, "path", "other")
        method = scope["method"] if page != "other" else "other"
        self._requests.labels(method, page, str(status)).inc()
        self._seconds.labels(page).observe(seconds)

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self._registry)
