"""What Prometheus reads of an inference server; the first three names are the platform's own.

Labels come from closed sets: this service's pages, HTTP's methods and codes, the served model's features.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final, Literal, get_args

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.runtime.identity_labels import Identified
from service.runtime.web.methods import METHODS
from service.serving.drift import DriftCounts
from service.serving.served_model import Serving

ReloadResult = Literal[
    "reloaded", "already_served", "outdated", "alias_behind", "unknown_generation", "refused", "unavailable"
]
_RESULTS: Final[tuple[ReloadResult, ...]] = get_args(ReloadResult)
_REQUEST_BUCKETS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)


class InferenceMetrics:
    """One server's metrics, in a registry of their own."""

    def __init__(self, serving: Serving, model: str) -> None:
        self.drift = DriftCounts()
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._shown = Identified(model, "inference")
        registry = self._shown.registry
        self._requests = Counter(
            "api_requests_total", "Requests answered", ("method", "endpoint", "status"), registry=registry
        )
        self._seconds = Histogram(
            "api_request_duration_seconds",
            "From a request's first line to the answer's last byte",
            ("endpoint",),
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        predictions = Histogram(
            "laurel_prediction_duration_seconds",
            "The model alone, by whether one row was asked for or a list",
            ("rows",),
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.one_row, self.list_of_rows = predictions.labels("one"), predictions.labels("list")
        self.rows = Counter("laurel_predicted_rows_total", "Rows predicted", registry=registry)
        self._reloads = Counter(
            "laurel_reloads_total", "Requests to reload, by result", ("result",), registry=registry
        )
        for result in _RESULTS:
            self._reloads.labels(result)
        self._in_flight = Gauge("laurel_requests_in_flight", "Requests in progress", registry=registry)
        registry.register(_Served(serving, self.drift))

    def expect(self, method: str, page: str, statuses: Iterable[int]) -> None:
        """Begin a page's series at 0, so that the first refusal or defect is seen to grow."""
        for status in statuses:
            self._of(method, page, status)

    def begin(self) -> float:
        """A request has come; return when, for `end`."""
        self._in_flight.inc()
        return time.perf_counter()

    def end(self, method: str, endpoint: str, status: int, began: float) -> None:
        """A request was answered."""
        self._in_flight.dec()
        counter, histogram = self._of(method if method in METHODS else "other", endpoint, status)
        counter.inc()
        histogram.observe(time.perf_counter() - began)

    def _of(self, method: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
        """The series of such a request, looked up once: finding them costs more than counting."""
        found = self._series.get((method, endpoint, status))
        if found is None:
            counter = self._requests.labels(method, endpoint, str(status))
            found = self._series[method, endpoint, status] = (counter, self._seconds.labels(endpoint))
        return found

    def reloaded(self, result: ReloadResult) -> None:
        """A reload ended so."""
        self._reloads.labels(result).inc()

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return self._shown.render()


class _Served(Collector):
    """What is true of the served model at the moment of the question."""

    def __init__(self, serving: Serving, drift: DriftCounts) -> None:
        self._serving = serving
        self._drift = drift

    def collect(self) -> Iterator[Metric]:
        """The figures; none of a model that is not there."""
        model, stale = self._serving.model, self._serving.stale
        yield GaugeMetricFamily("laurel_model_loaded", "1 while a model is served", float(model is not None))
        yield GaugeMetricFamily(
            "laurel_unloadable_versions",
            "Versions that killed the loading process and are not tried again",
            len(self._serving.unloadable),
        )
        yield GaugeMetricFamily("laurel_model_stale", "1: from the cache, MLflow is away", float(stale))
        if model is not None:
            yield GaugeMetricFamily("served_model_version", "Registered version", model.version)
            age = time.time() - model.loaded_at.timestamp()
            yield GaugeMetricFamily("laurel_model_age_seconds", "Since the model was loaded", age)
            if model.generation is not None:
                yield GaugeMetricFamily("laurel_served_generation", "Promotion ledger's", model.generation)
        drifted = CounterMetricFamily(
            "laurel_input_drift", "Rows with a value that training did not see", labels=("feature", "kind")
        )
        for (feature, kind), count in self._drift.each().items():
            drifted.add_metric((feature, kind), count)
        yield drifted
