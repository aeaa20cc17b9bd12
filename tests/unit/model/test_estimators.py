"""A model definition becomes the estimator that it names, or every reason why not."""

from collections.abc import Mapping
from typing import Any

import pytest

from domain.errors import NeverRetry
from domain.model_definition import MODEL_TYPES, Estimator, ModelType
from service.adapters.sklearn.estimators import build_estimator, definition_faults, known_params
from service.tasks.check_model import check_model
from tests.straight_model import REGRESSORS

BAD_PARAMS: list[tuple[ModelType, Mapping[str, Any], str, str]] = [
    ("random_forest", {"n_estimators": -1}, "n_estimators", "[1, inf)"),
    ("random_forest", {"n_estimators": 10**9}, "n_estimators", "at most 10000"),
    ("random_forest", {"n_estimators": 20.0}, "n_estimators", "an int"),
    ("gradient_boosting", {"n_estimators": 10**9}, "n_estimators", "at most 10000"),
    ("gradient_boosting", {"learning_rate": "1e5"}, "learning_rate", "a float"),
    (
        "gradient_boosting",
        {"loss": "squared"},
        "loss",
        "{'absolute_error', 'huber', 'quantile', 'squared_error'}",
    ),
    ("hist_gradient_boosting", {"max_iter": 10**9}, "max_iter", "at most 10000"),
    ("hist_gradient_boosting", {"max_iter": None}, "max_iter", "an int"),
    ("ridge", {"alpha": "1e5"}, "alpha", "a float"),
    ("ridge", {"alpha": -0.5}, "alpha", "[0.0, inf)"),
    ("lightgbm", {"n_estimators": 10**9}, "n_estimators", "at most 10000"),
    ("lightgbm", {"num_leaves": 1}, "num_leaves", "at least 2"),
    ("lightgbm", {"learning_rate": 0}, "learning_rate", "more than 0"),
    ("xgboost", {"n_estimators": -1}, "n_estimators", "at least 1"),
    ("xgboost", {"subsample": True}, "subsample", "at most 1"),
    ("xgboost", {"min_child_weight": "1e5"}, "min_child_weight", "a number"),
]


@pytest.mark.parametrize(("kind", "params", "name", "allowed"), BAD_PARAMS)
def test_a_bad_value_is_named_with_what_is_allowed(
    kind: ModelType, params: Mapping[str, Any], name: str, allowed: str
) -> None:
    (fault,) = definition_faults(Estimator(type=kind, params=params))
    assert (fault.code, fault.field) == ("bad_param", f"model.params.{name}")
    assert allowed in (fault.allowed or "")


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_an_unknown_param_is_named_with_the_known_ones(kind: ModelType) -> None:
    (fault,) = definition_faults(Estimator(type=kind, params={"n_estimator": 5}))
    assert (fault.code, fault.field) == ("unknown_param", "model.params.n_estimator")
    assert fault.allowed == ", ".join(known_params(kind))


def test_all_faults_come_at_once() -> None:
    params = {"n_estimators": -1, "max_depth": "deep", "depth": 3}
    faults = check_model(model={"type": "random_forest", "params": params, "target_transform": None})
    assert [fault["field"].rpartition(".")[2] for fault in faults] == ["depth", "n_estimators", "max_depth"]


@pytest.mark.parametrize("name", ["callbacks", "early_stopping_rounds"])
def test_a_param_that_needs_a_validation_set_or_code_is_unknown(name: str) -> None:
    (fault,) = definition_faults(Estimator(type="xgboost", params={name: 3}))
    assert fault.code == "unknown_param"


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_the_defaults_of_every_param_are_taken(kind: ModelType) -> None:
    """What the library itself would use, written down by a person, is no fault."""
    defaults = {
        name: value
        for name, value in REGRESSORS[kind]().get_params().items()
        if name in known_params(kind) and value == value  # noqa: PLR0124 - NaN is no JSON value
    }
    assert definition_faults(Estimator(type=kind, params=defaults)) == []


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_an_estimator_is_the_one_named_with_a_fixed_seed_and_one_thread(kind: ModelType) -> None:
    built = build_estimator(Estimator(type=kind), 5)
    assert type(built) is REGRESSORS[kind]
    assert built.get_params()["random_state"] == 5
    assert built.get_params().get("n_jobs", 1) == 1


def test_what_the_definition_says_goes_before_our_defaults() -> None:
    built = build_estimator(Estimator(type="random_forest", params={"random_state": 9, "n_jobs": 2}), 5)
    assert (built.random_state, built.n_jobs) == (9, 2)
    assert (
        build_estimator(Estimator(type="random_forest", params={"random_state": None}), 5).random_state == 5
    )


def test_a_bad_definition_is_never_built() -> None:
    with pytest.raises(NeverRetry) as refusal:
        build_estimator(Estimator(type="ridge", params={"alpha": "1e5", "beta": 1}), 0)
    assert refusal.value.reason == "bad_config"
    assert len(refusal.value.facts["faults"]) == 2
