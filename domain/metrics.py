"""What a model is measured by: names, directions and exact formulas.

Arrays go in, a float comes out; NaN or infinity means "there is no number" and is dropped before anything
is stored, for a NaN breaks whatever compares or draws it.
"""

from collections.abc import Callable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MetricName = Literal["rmsle", "mae", "r2"]
Direction = Literal["lower_is_better", "higher_is_better"]


class Metric(NamedTuple):
    """A metric's direction and its function of (truth, prediction)."""

    direction: Direction
    of: Callable[[Floats, Floats], float]


def rmsle(truth: Floats, prediction: Floats) -> float:
    """sqrt(mean((log1p(max(prediction, 0)) - log1p(max(truth, 0)))²)): negatives count as 0."""
    gap = np.log1p(np.maximum(prediction, 0.0)) - np.log1p(np.maximum(truth, 0.0))
    return float(np.sqrt(np.mean(gap * gap)))


def mae(truth: Floats, prediction: Floats) -> float:
    """mean(|prediction - truth|), in the target's unit."""
    return float(np.mean(np.abs(prediction - truth)))


def r2(truth: Floats, prediction: Floats) -> float:
    """1 - Σ(truth - prediction)² / Σ(truth - mean(truth))²; NaN for fewer than two rows.

    A constant truth has no variance to explain: 1 when it is met exactly, else 0, as in scikit-learn.
    """
    if len(truth) < 2:  # noqa: PLR2004 - variance needs two
        return float("nan")
    unexplained = float(np.sum((truth - prediction) ** 2))
    variance = float(np.sum((truth - np.mean(truth)) ** 2))
    if variance == 0.0:
        return 1.0 if unexplained == 0.0 else 0.0
    return 1.0 - unexplained / variance


METRICS: Final[Mapping[MetricName, Metric]] = MappingProxyType(
    {
        "rmsle": Metric("lower_is_better", rmsle),
        "mae": Metric("lower_is_better", mae),
        "r2": Metric("higher_is_better", r2),
    }
)


def measure(truth: Floats, prediction: Floats) -> dict[MetricName, float]:
    """Every metric of one-dimensional float64 arrays of one length; NaN where there is no number.

    A single value that is not finite, on either side, leaves no metric with a number: an average over the
    others would hide it. Raises ValueError when the lengths differ.
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"{len(prediction)} predictions for {len(truth)} rows")
    if not len(truth) or not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        return dict.fromkeys(METRICS, float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):  # huge values overflow to infinity, and are dropped
        return {name: metric.of(truth, prediction) for name, metric in METRICS.items()}


def finite_metrics(metrics: Mapping[MetricName, float]) -> dict[MetricName, float]:
    """Keep the metrics that are numbers: the only ones that may be stored or compared."""
    return {name: value for name, value in metrics.items() if isfinite(value)}
