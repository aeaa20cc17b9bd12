"""The metrics are the ones the user compares by, to the last digit that matters."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from domain.arrays import Floats
from domain.metrics import METRICS, Metric, Score, finite_metrics, mae, measure, r2, rmsle
from domain.promotion_checks import Champion, Decision, PromotionPolicy, decide


def array(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def test_rmsle_counts_a_negative_number_as_zero_on_either_side() -> None:
    assert rmsle(array(0.0, math.e - 1), array(-5.0, math.e - 1)) == 0.0
    assert rmsle(array(-7.0), array(math.e - 1)) == pytest.approx(1.0, rel=1e-12)


def test_mae_and_r2_are_of_the_raw_values() -> None:
    assert mae(array(1, -2, 3), array(2, -4, 3)) == 1.0
    assert r2(array(1, 2, 3), array(1, 2, 3)) == 1.0
    assert r2(array(1, 2, 3), array(2, 2, 2)) == 0.0
    assert r2(array(1, 2, 3), array(3, 2, 1)) == -3.0


def test_r2_of_a_constant_truth_is_one_when_it_is_met_and_else_zero() -> None:
    assert r2(array(4, 4), array(4, 4)) == 1.0
    assert r2(array(4, 4), array(4, 5)) == 0.0


def test_r2_of_one_row_is_no_number() -> None:
    measured = measure(array(1), array(1))
    assert math.isnan(measured["r2"])
    assert finite_metrics(measured) == {"rmsle": 0.0, "mae": 0.0}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_value_that_is_not_finite_leaves_no_metric(bad: float) -> None:
    """A negative infinity would count as 0 in rmsle: an average may not hide it."""
    assert finite_metrics(measure(array(1, 2), array(1, bad))) == {}
    assert finite_metrics(measure(array(1, bad), array(1, 2))) == {}


def test_a_metric_that_overflows_is_no_number_and_no_warning() -> None:
    assert set(finite_metrics(measure(array(1e300, 2), array(-1e300, 2)))) == {"rmsle", "mae"}


def test_no_rows_have_no_metric() -> None:
    assert finite_metrics(measure(array(), array())) == {}


def test_truth_and_prediction_belong_together_row_by_row() -> None:
    with pytest.raises(ValueError, match="2 predictions for 3 rows"):
        measure(array(1, 2, 3), array(1, 2))


def test_each_metric_says_which_way_is_better() -> None:
    assert {name: metric.direction for name, metric in METRICS.items()} == {
        "rmsle": "lower_is_better",
        "mae": "lower_is_better",
        "r2": "higher_is_better",
    }


def _share_met(truth: Floats, prediction: Floats) -> float:
    return float((abs(prediction - truth) < 1).mean())


def test_a_metric_is_one_row_measured_shown_and_judged_by_its_direction(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = Metric("higher_is_better", _share_met, judges=True, least=0.0)
    monkeypatch.setitem(METRICS, "share_met", row)
    assert measure(array(1, 2), array(1, 5))["share_met"] == 0.5
    policy = PromotionPolicy.model_validate({"metric": "share_met", "minimum_effect": 0.1})
    assert policy.name == "higher_is_better"

    def verdict_of(new: float, old: float) -> Decision:
        candidate, champion = (
            Score(metrics={"share_met": share}, dataset_digest="a" * 64, rows=10) for share in (new, old)
        )
        return decide(policy, candidate, Champion(version=1, generation=1, score=champion)).decision

    assert verdict_of(0.9, 0.7) is Decision.PROMOTE
    assert verdict_of(0.75, 0.7) is Decision.DECLINE
    assert verdict_of(0.5, 0.7) is Decision.DECLINE


def test_a_metric_that_does_not_judge_is_refused_at_the_gate() -> None:
    with pytest.raises(ValidationError, match="'rmsle' or 'mae'"):
        PromotionPolicy.model_validate({"metric": "r2"})
