"""What every series of a process bears: whose model it is about, which role tells it, and which build."""

import platform
from collections.abc import Iterator
from importlib.metadata import version
from typing import Final

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

BUILD_INFO: Final = "laurel_build_info"


class Identified(Collector):
    """One process's metrics, each with the labels `model` and `role`: put there when they are read."""

    def __init__(self, model: str, role: str) -> None:
        self.registry = CollectorRegistry()
        given = {"model": model, "role": role}
        self._labels = {name: value for name, value in given.items() if value}  # an empty one says nothing
        build = Gauge(
            BUILD_INFO, "1; its labels say which version runs", ("version", "python"), registry=self.registry
        )
        build.labels(version("laurel-lifecycle"), platform.python_version()).set(1)

    def collect(self) -> Iterator[Metric]:
        """Each metric as it is now."""
        for metric in self.registry.collect():
            labelled = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            labelled.samples = [
                sample._replace(labels={**sample.labels, **self._labels}) for sample in metric.samples
            ]
            yield labelled

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self)
