"""What a model scored on one dataset, as a value that never holds NaN."""

from collections.abc import Mapping

from domain.values import Sha256, Value


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
