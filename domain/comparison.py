"""Two models beside their scores: whether they are the same, and what the champion had seen before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from domain.metrics import GateMetric, Score
from domain.run_warnings import RunWarning
from domain.values import Value

if TYPE_CHECKING:
    from domain.arrays import Floats

# Predictions that differ by less are one number: sums of products may be added up in another order.
SAME_RELATIVE: Final = 1e-9
# If every prediction agrees so far, two rmsle differ by no more: it is a distance between logarithms.
SAME_RMSLE: Final = 2 * SAME_RELATIVE


class Compared(Value):
    """What the gate gets in addition to the scores; `generation` is the champion's, None without one.

    `version` is the champion's too; both are known of one that cannot be judged. `metric` is what decides.

    `targets_below_zero` counts rows of the reference. `champion_trained_rows` says how many of the
    `reference_rows` the champion was trained on, None when nobody knows. `rows_without_effect` is None unless
    the training part is the champion's, byte for byte, and so are the versions: rows that are new since then.
    """

    generation: int | None = None
    version: int | None = None
    metric: GateMetric | None = None
    reference_rows: int = 0
    targets_below_zero: int = 0
    same_predictions: bool = False
    champion_trained_rows: int | None = None
    rows_without_effect: int | None = None
    warnings: tuple[RunWarning, ...] = ()


NOTHING_COMPARED: Final = Compared()


def same_predictions(one: Floats, other: Floats) -> bool:
    """True when every prediction agrees with the other's; NaN agrees with nothing."""
    import numpy as np  # noqa: PLC0415 - commands that only tell of verdicts do without it

    return bool(np.isclose(one, other, rtol=SAME_RELATIVE, atol=0.0).all())


def may_be_the_same(one: Score, other: Score) -> bool:
    """False when the scores alone show that two models are not the same."""
    first, second = one.number("rmsle"), other.number("rmsle")
    if first is None or second is None or one.dataset_digest != other.dataset_digest:
        return False
    return abs(first - second) <= SAME_RMSLE
