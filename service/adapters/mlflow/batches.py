"""Values on their way into MLflow: written down within its limits, in as few requests as it allows."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from math import isfinite
from typing import Final, TypeVar

from domain.errors import NeverRetry
from domain.tracker_limits import param_text, tag_text
from service.adapters.mlflow.answer_types import Pair

T = TypeVar("T")

# Limits of MLflow's log-batch.
_PER_BATCH: Final = 100
_METRICS_PER_BATCH: Final = 800  # with 100 params and 100 tags: the 1,000 entities that one request may hold


def param_list(params: Mapping[str, object]) -> list[Pair]:
    """Params as MLflow stores them; in the place of a long one, where it stands whole."""
    return [{"key": key, "value": param_text(value)} for key, value in params.items()]


def tag_list(tags: Mapping[str, str]) -> list[Pair]:
    """Tags as MLflow stores them; a long one is cut, and says where it stands whole."""
    return [{"key": key, "value": tag_text(value)} for key, value in tags.items()]


def metric_list(metrics: Mapping[str, float], timestamp_ms: int) -> list[dict[str, object]]:
    """Metrics at step 0. Raises NeverRetry for NaN and infinity, which MLflow would store as numbers."""
    if bad := sorted(key for key, value in metrics.items() if not isfinite(value)):
        raise NeverRetry(
            "metric_not_finite",
            f"these metrics have no number to log: {', '.join(bad)}; leave such metrics out",
            metrics=bad,
        )
    return [
        {"key": key, "value": float(value), "timestamp": timestamp_ms, "step": 0}
        for key, value in metrics.items()
    ]


def request_bodies(
    params: Sequence[Pair], metrics: Sequence[Mapping[str, object]], tags: Sequence[Pair]
) -> Iterator[dict[str, Sequence[Mapping[str, object]]]]:
    """Split what is to be logged into the fewest requests, params first; nothing to log: no request."""
    parts = zip_longest(
        _batches(params, _PER_BATCH), _batches(metrics, _METRICS_PER_BATCH), _batches(tags, _PER_BATCH)
    )
    for some_params, some_metrics, some_tags in parts:
        yield {"params": some_params or [], "metrics": some_metrics or [], "tags": some_tags or []}


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
