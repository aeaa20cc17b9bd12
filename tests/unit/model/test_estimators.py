"""A model definition becomes the estimator that it names, or every reason why not."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from domain.errors import NeverRetry
from domain.model_types import MODEL_TYPES, Estimator, ModelType
from service.adapters.sklearn.estimators import build_estimator, class_of, definition_faults, known_names
from service.adapters.sklearn.loading import load_pipeline, skops_bytes
from service.lifecycle.steps.check_model_job import check_model
from tests.straight.straight_model import REGRESSORS

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
    assert fault.allowed == ", ".join(sorted(known_names(class_of(MODEL_TYPES[kind]))))


def test_all_faults_come_at_once() -> None:
    params = {"n_estimators": -1, "max_depth": "deep", "depth": 3}
    faults = check_model(Estimator(type="random_forest", params=params)).faults
    assert [fault.field.rpartition(".")[2] for fault in faults] == ["depth", "n_estimators", "max_depth"]


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
        if name in known_names(class_of(MODEL_TYPES[kind])) and value == value  # noqa: PLR0124 - NaN is no JSON value
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


# What the libraries' own pages offer, as far as YAML can say it.
OFFERED: Mapping[ModelType, Sequence[Mapping[str, Any]]] = {
    "hist_gradient_boosting": [
        {"categorical_features": [1, 2]},
        {"categorical_features": [True, False, False]},
        {"categorical_features": [False, False, False]},
        {"categorical_features": []},
        {"categorical_features": "from_dtype"},
        {"monotonic_cst": [1, 0, -1]},
        {"interaction_cst": [[0, 1], [2]]},
        {"interaction_cst": "pairwise"},
        {"scoring": "neg_mean_absolute_error", "early_stopping": True},
        {"scoring": "r2"},
        {"scoring": "neg_mean_absolute_error", "early_stopping": False},
        {"scoring": "loss", "early_stopping": True},
        {"early_stopping": True, "validation_fraction": None},
        {"loss": "quantile", "quantile": 0.5},
        {"loss": "poisson"},
        {"loss": "gamma"},
        {"loss": "absolute_error"},
        {"warm_start": True},
    ],
    "gradient_boosting": [
        {"init": "zero"},
        {"n_iter_no_change": 3},
        {"loss": "huber"},
        {"loss": "quantile"},
        {"loss": "absolute_error"},
        {"subsample": 0.5, "warm_start": True},
        {"max_features": "sqrt"},
    ],
    "random_forest": [
        {"oob_score": True, "n_estimators": 40},
        {"criterion": "absolute_error"},
        {"criterion": "poisson"},
        {"bootstrap": False},
        {"max_samples": 0.5, "max_features": "log2"},
        {"monotonic_cst": [1, 0, -1]},
    ],
    "ridge": [
        *({"solver": solver} for solver in ("auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga")),
        {"solver": "lbfgs", "positive": True},
        {"alpha": 2, "fit_intercept": False},
    ],
    "lightgbm": [
        {"boosting_type": "dart"},
        {"boosting_type": "goss"},
        {"objective": "mae"},
        {"objective": "quantile", "importance_type": "gain"},
        {"objective": "poisson", "min_split_gain": 0.1},
    ],
    "xgboost": [
        {"booster": "gblinear"},
        {"booster": "dart"},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:tweedie"},
        {"monotone_constraints": [1, 0, -1]},
        {"monotone_constraints": "(1,0,-1)"},
        {"interaction_constraints": [[0, 1]]},
        {"interaction_constraints": "[[0, 1]]"},
        {"eval_metric": ["mae", "rmse"], "importance_type": "gain"},
        {"tree_method": "exact"},
        {"grow_policy": "lossguide", "missing": -1.0},
        {"feature_types": ["q", "q", "c"]},
        {"base_score": 0.5, "enable_categorical": True},
    ],
}
FEW_TREES: Mapping[ModelType, Mapping[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 3},
    "ridge": {},
    "lightgbm": {"n_estimators": 3, "min_child_samples": 2},
}


@pytest.mark.parametrize(
    ("kind", "params"), [(kind, params) for kind, offered in OFFERED.items() for params in offered]
)
def test_what_a_model_file_may_say_can_be_fitted_saved_and_loaded_or_is_refused_first(
    kind: ModelType, params: Mapping[str, Any]
) -> None:
    """Nobody learns of it after the fit."""
    few = FEW_TREES.get(kind, {"n_estimators": 3})
    model = Estimator(type=kind, params={**few, **params})
    if faults := definition_faults(model):
        assert [fault.field for fault in faults] == [f"model.params.{next(iter(params))}"]
        assert all(fault.allowed for fault in faults)
        return
    rows = np.random.default_rng(0).integers(0, 4, (60, 3)).astype(float)
    fitted = build_estimator(model, 1).fit(rows, rows.sum(axis=1) + 1)
    loaded = load_pipeline(skops_bytes(Pipeline([("model", fitted)])), kind)
    assert loaded.predict(rows).tobytes() == fitted.predict(rows).tobytes()


def test_exactly_what_cannot_be_loaded_or_fitted_is_refused() -> None:
    refused = [
        params
        for kind, offered in OFFERED.items()
        for params in offered
        if definition_faults(Estimator(type=kind, params=params))
    ]
    assert refused == [
        {"categorical_features": [1, 2]},
        {"categorical_features": [True, False, False]},
        {"scoring": "neg_mean_absolute_error", "early_stopping": True},
        {"scoring": "r2"},
        {"monotone_constraints": [1, 0, -1]},
        {"interaction_constraints": [[0, 1]]},
    ]
