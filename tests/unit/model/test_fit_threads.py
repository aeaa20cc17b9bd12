"""The number of threads of a fit changes no model, or it belongs to the run, as the table of types says.

The targets span thirty powers of ten: their sums depend on the order in which they are added, so a library
that adds in each thread's own order is found out.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

from domain.data_contract import DataContract
from domain.feature_schema import FeatureSchema
from domain.fit_threads import MANY_ROWS, ThreadShare, fit_threads, frozen_threads
from domain.model_types import MODEL_TYPES, Estimator
from service.adapters.sklearn.fitting import Fitted, fit
from service.processes.child_settings import ForkSettings
from tests.worlds.small_models import MODELS

ROWS = 6_000
COLUMNS = ("a", "b", "c", "d")
FREE = [kind for kind, row in MODEL_TYPES.items() if row.threads == "any"]
GOSS: Mapping[str, Any] = {"boosting_type": "goss", "n_estimators": 15}  # the first ten trees are of all rows
OWN: Mapping[str, Mapping[str, Any]] = {"xgboost": {}, "lightgbm": GOSS}
EIGHT = ThreadShare(8)
SET = ThreadShare(4, is_set=True)


def fitted(kind: str, threads: int, **params: Any) -> Fitted:
    dice = np.random.default_rng(5)
    frame = pd.DataFrame({name: dice.normal(size=ROWS) for name in COLUMNS})
    target = np.exp(dice.normal(size=ROWS) * 6) * (1 + frame["a"].to_numpy())
    model = Estimator(type=kind, params={**MODELS[kind], **params})
    return fit(_features(), _contract(), model, frame, target, 7, threads=threads)


def _features() -> FeatureSchema:
    numbers = {name: {"type": "numeric"} for name in COLUMNS}
    return FeatureSchema.model_validate({"version": 1, "data_contract": 1, "tabular_features": numbers})


def _contract() -> DataContract:
    columns = {name: {"type": "float"} for name in (*COLUMNS, "y")}
    return DataContract.model_validate(
        {"version": 1, "columns": columns, "primary_key": ["a"], "target": "y"}
    )


def predicted(kind: str, threads: int, **params: Any) -> str:
    return hashlib.sha256(fitted(kind, threads, **params).predictions().tobytes()).hexdigest()


@pytest.mark.parametrize("kind", FREE)
def test_one_two_and_three_threads_learn_the_same_to_the_bit(kind: str) -> None:
    assert len({predicted(kind, threads) for threads in (1, 2, 3)}) == 1


def test_rows_that_are_sampled_in_each_thread_would_tell_the_number() -> None:
    """The data can tell: this is what the type's other models are not."""
    assert MODEL_TYPES["lightgbm"].threads_of(GOSS) == "own"
    assert predicted("lightgbm", 1, **GOSS) != predicted("lightgbm", 2, **GOSS)


@pytest.mark.parametrize("kind", OWN)
def test_the_same_number_of_its_own_learns_the_same_to_the_bit(kind: str) -> None:
    assert predicted(kind, 2, n_jobs=-1, **OWN[kind]) == predicted(kind, 2, n_jobs=-1, **OWN[kind])


@pytest.mark.parametrize(("kind", "named"), [("random_forest", 1), ("lightgbm", 1), ("xgboost", -1)])
def test_a_fitted_model_predicts_on_the_threads_that_its_definition_names(kind: str, named: int) -> None:
    model = fitted(kind, 2, n_jobs=named).pipeline[-1]
    assert model.n_jobs == named
    if kind == "xgboost":
        assert f'"nthread":"{named}"' in model.get_booster().save_config()


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_below_many_rows_a_fit_has_one_thread(kind: str) -> None:
    assert fit_threads(Estimator(type=kind), MANY_ROWS - 1, EIGHT, None) == 1


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_from_many_rows_on_it_has_its_share_if_that_changes_no_model(kind: str) -> None:
    expected = 8 if MODEL_TYPES[kind].threads == "any" else 1
    assert fit_threads(Estimator(type=kind), MANY_ROWS, EIGHT, None) == expected


@pytest.mark.parametrize(
    ("kind", "params", "share", "expected"),
    [
        pytest.param("random_forest", {"n_jobs": 3}, EIGHT, 3, id="a file that names a number keeps it"),
        pytest.param("xgboost", {"n_jobs": 3}, SET, 3, id="a file's number wins over the setting"),
        pytest.param("random_forest", {}, SET, 4, id="the setting counts for few rows, too"),
        pytest.param("hist_gradient_boosting", {}, SET, 4, id="for every type that is free"),
        pytest.param("xgboost", {}, SET, 1, id="and not for one that is not"),
        pytest.param("lightgbm", {"n_jobs": -1}, EIGHT, 1, id="all of them are one below many rows"),
    ],
)
def test_file_setting_and_share_in_this_order(
    kind: str, params: dict[str, Any], share: ThreadShare, expected: int
) -> None:
    assert fit_threads(Estimator(type=kind, params=params), 50, share, None) == expected


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        pytest.param("xgboost", {"n_jobs": -1}, 8, id="left open by the file"),
        pytest.param("xgboost", {"n_jobs": 2}, None, id="named by the file"),
        pytest.param("xgboost", {}, None, id="one, as ever"),
        pytest.param("lightgbm", {"n_jobs": -1}, None, id="changes no model"),
        pytest.param("lightgbm", {"n_jobs": -1, "boosting_type": "goss"}, 8, id="changes this model"),
    ],
)
def test_a_number_that_makes_the_model_and_is_left_open_is_frozen(
    kind: str, params: dict[str, Any], expected: int | None
) -> None:
    model = Estimator(type=kind, params=params)
    assert frozen_threads(model, EIGHT) == expected
    if expected:
        assert fit_threads(model, 10, ThreadShare(2), expected) == 8


def test_waiting_threads_leave_their_processor_to_others() -> None:
    assert ForkSettings().variables()["OMP_WAIT_POLICY"] == "PASSIVE"
