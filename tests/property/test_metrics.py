"""The metrics agree with their definitions for whatever numbers there are."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score

from domain.metrics import finite_metrics, measure
from tests.straight.straight_model import scores

numbers = st.floats(-1e6, 1e6, allow_nan=False)
anything = st.floats()
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=40)


@settings(deadline=None)
@given(pairs)
def test_every_metric_is_its_definition_added_up_exactly(rows: list[tuple[float, float]]) -> None:
    truth, prediction = (np.array(side) for side in zip(*rows, strict=True))
    assume(np.ptp(truth) > 1e-3)  # a spread that rounding cannot swallow
    assert measure(truth, prediction) == pytest.approx(
        scores(truth.tolist(), prediction.tolist()), rel=1e-9, abs=1e-9
    )


@settings(deadline=None)
@given(pairs)
def test_mae_and_r2_are_scikit_learns(rows: list[tuple[float, float]]) -> None:
    truth, prediction = (np.array(side) for side in zip(*rows, strict=True))
    assume(np.ptp(truth) == 0 or np.ptp(truth) > 1e-3)
    measured = measure(truth, prediction)
    assert measured["mae"] == pytest.approx(mean_absolute_error(truth, prediction), rel=1e-9, abs=1e-9)
    assert measured["r2"] == pytest.approx(r2_score(truth, prediction), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(st.lists(st.tuples(anything, anything), max_size=10))
def test_nothing_that_is_kept_is_nan_or_infinite(rows: list[tuple[float, float]]) -> None:
    truth, prediction = (np.array([row[side] for row in rows], dtype=np.float64) for side in (0, 1))
    kept = finite_metrics(measure(truth, prediction))
    assert all(math.isfinite(value) for value in kept.values())
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        assert kept == {}
