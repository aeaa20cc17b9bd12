"""What a model is measured by, and what it scored on one dataset. A new metric is a function and its row.

Arrays go in, a float comes out; NaN or infinity means "there is no number" and is dropped before anything
is stored, for a NaN breaks whatever compares or draws it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

from domain.values import Sha256, Value, one_of

if TYPE_CHECKING:
    from domain.arrays import Floats

Direction = Literal["lower_is_better", "higher_is_better"]


class Metric(NamedTuple):
    """A metric's direction and its function of (truth, prediction).

    One that `judges` may decide at the gate. A figure under `least` cannot be right. One that
    `floors_at_zero` counts a target below 0 as 0, and so cannot tell models apart where targets are.
    """

    direction: Direction
    of: Callable[[Floats, Floats], float]
    judges: bool = False
    least: float | None = None
    floors_at_zero: bool = False

    def gain(self, new: float, old: float) -> float:
        """By how much the new figure is better than the old one; negative when it is worse."""
        return old - new if self.direction == "lower_is_better" else new - old

    def is_usable(self, figure: float | None) -> bool:
        """True for a figure that there is, and that can be right."""
        return figure is not None and isfinite(figure) and (self.least is None or figure >= self.least)


def rmsle(truth: Floats, prediction: Floats) -> float:
    """sqrt(mean((log1p(max(prediction, 0)) - log1p(max(truth, 0)))²)): negatives count as 0."""
    import numpy as np  # noqa: PLC0415 - commands that only tell of metrics do without it

    gap = np.log1p(np.maximum(prediction, 0.0)) - np.log1p(np.maximum(truth, 0.0))
    return float(np.sqrt(np.mean(gap * gap)))


def mae(truth: Floats, prediction: Floats) -> float:
    """mean(|prediction - truth|), in the target's unit."""
    return float(abs(prediction - truth).mean())


def r2(truth: Floats, prediction: Floats) -> float:
    """1 - Σ(truth - prediction)² / Σ(truth - mean(truth))²; NaN for fewer than two rows.

    A constant truth has no variance to explain: 1 when it is met exactly, else 0, as in scikit-learn.
    """
    if len(truth) < 2:  # noqa: PLR2004 - variance needs two
        return float("nan")
    unexplained = float(((truth - prediction) ** 2).sum())
    variance = float(((truth - truth.mean()) ** 2).sum())
    if variance == 0.0:
        return 1.0 if unexplained == 0.0 else 0.0
    return 1.0 - unexplained / variance


METRICS: Final[dict[str, Metric]] = {
    "rmsle": Metric("lower_is_better", rmsle, judges=True, least=0.0, floors_at_zero=True),
    "mae": Metric("lower_is_better", mae, judges=True, least=0.0),
    "r2": Metric("higher_is_better", r2),
}
DEFAULT_METRIC: Final = "rmsle"


def gate_metrics() -> tuple[str, ...]:
    """The names of those that may decide at the gate."""
    return tuple(name for name, metric in METRICS.items() if metric.judges)


GateMetric = Annotated[str, one_of(gate_metrics)]


def measure(truth: Floats, prediction: Floats) -> dict[str, float]:
    """Every metric of one-dimensional float64 arrays of one length; NaN where there is no number.

    A single value that is not finite, on either side, leaves no metric with a number: an average over the
    others would hide it. Raises ValueError when the lengths differ.
    """
    import numpy as np  # noqa: PLC0415 - commands that only tell of metrics do without it

    if truth.shape != prediction.shape:
        raise ValueError(f"{len(prediction)} predictions for {len(truth)} rows")
    if not len(truth) or not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        return dict.fromkeys(METRICS, float("nan"))
    with np.errstate(over="ignore", invalid="ignore"):  # huge values overflow to infinity, and are dropped
        return {name: metric.of(truth, prediction) for name, metric in METRICS.items()}


def finite_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Keep the metrics that are numbers: the only ones that may be stored or compared."""
    return {name: value for name, value in metrics.items() if isfinite(value)}


class Score(Value):
    """Metrics of one model on one file.

    `metrics` maps rmsle, mae, r2 to finite numbers; a metric that came out NaN or infinite is absent, so
    "no number" cannot be mistaken for a good one. `dataset_digest` is the sha256 of the bytes scored.
    """

    metrics: Mapping[str, float]
    dataset_digest: Sha256
    rows: int

    def number(self, metric: str) -> float | None:
        """The metric, or None when the model has no number for it."""
        return self.metrics.get(metric)
