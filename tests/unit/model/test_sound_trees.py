"""Trees that native code would follow out of their memory are refused, whichever library grew them.

Whoever writes to the model registry may change a model's bytes with every digest, so the numbers themselves
are looked at.
"""

import io
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import skops.io
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import Pipeline

from domain.errors import ModelUnusable
from domain.model_types import Estimator, ModelType
from service.adapters.sklearn.estimators import build_estimator
from service.adapters.sklearn.loading import load_pipeline, skops_bytes
from service.adapters.sklearn.sound_trees import require_sound

FAR = 0x7FFFFFFF
KINDS: Mapping[ModelType, Mapping[str, Any]] = {
    "gradient_boosting": {"n_estimators": 4},
    "random_forest": {"n_estimators": 4},
    "hist_gradient_boosting": {"max_iter": 4, "min_samples_leaf": 3},
    "lightgbm": {"n_estimators": 4, "min_child_samples": 3},
    "xgboost": {"n_estimators": 4},
}
Spoil = Callable[[Any], None]


@pytest.fixture(scope="module")
def fitted() -> Mapping[ModelType, bytes]:
    """One small pipeline of each kind, as it is stored."""
    dice = np.random.default_rng(1)
    rows = dice.uniform(0, 5, (80, 3))
    return {
        kind: skops_bytes(
            Pipeline(
                [("model", build_estimator(Estimator(type=kind, params=params), 3).fit(rows, rows.sum(1)))]
            )
        )
        for kind, params in KINDS.items()
    }


def edited_tree(tree: Any, **change: tuple[int, int]) -> None:
    """Write numbers into a scikit-learn tree, as its file could have held them."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    for field, (place, value) in change.items():
        nodes[field][place] = value
    tree.__setstate__({**state, "nodes": nodes})


def edited_nodes(predictor: Any, field: str, value: int) -> None:
    nodes = predictor.nodes.copy()
    nodes[field][0] = value
    predictor.nodes = nodes


def edited_lightgbm(regressor: Any, pattern: str, new: str) -> None:
    state = regressor._Booster.__getstate__()
    text, count = re.subn(pattern, new, state["_handle"], count=1)
    assert count
    # The library itself follows what it loads: the text is handed on as one that was loaded.
    regressor._Booster.model_to_string = lambda: text


def edited_xgboost(regressor: Any, edit: Callable[[Any], None]) -> None:
    booster = regressor.get_booster()
    model = json.loads(booster.save_raw("json"))
    edit(model["learner"]["gradient_booster"]["model"])
    booster.save_raw = lambda _: json.dumps(model).encode()


def _first_tree(field: str, value: int) -> Callable[[Any], None]:
    def edit(model: Any) -> None:
        model["trees"][0][field][0] = value

    return edit


def _large_category(boosting: Any) -> None:
    boosting._bin_mapper.is_categorical_ = np.array([1, 0, 0], np.uint8)
    boosting._bin_mapper.bin_thresholds_[0] = np.array([1e9])


BROKEN: Mapping[str, tuple[ModelType, Spoil]] = {
    "a forest's left child is far away": (
        "random_forest",
        lambda it: edited_tree(it.estimators_[1].tree_, left_child=(0, FAR)),
    ),
    "a forest's right child is below zero": (
        "random_forest",
        lambda it: edited_tree(it.estimators_[0].tree_, right_child=(0, -7)),
    ),
    "a forest's node is its own child": (
        "random_forest",
        lambda it: edited_tree(it.estimators_[0].tree_, left_child=(0, 0)),
    ),
    "a forest's two sides are one": (
        "random_forest",
        lambda it: edited_tree(it.estimators_[0].tree_, left_child=(0, 1), right_child=(0, 1)),
    ),
    "a forest asks for a feature that is not there": (
        "random_forest",
        lambda it: edited_tree(it.estimators_[0].tree_, feature=(0, 3)),
    ),
    "a boosted tree's left child is far away": (
        "gradient_boosting",
        lambda it: edited_tree(it.estimators_[2, 0].tree_, left_child=(0, FAR)),
    ),
    "a boosted tree asks for a feature below zero": (
        "gradient_boosting",
        lambda it: edited_tree(it.estimators_[0, 0].tree_, feature=(0, -5)),
    ),
    "boosted trees stand in two columns": (
        "gradient_boosting",
        lambda it: setattr(it, "estimators_", np.hstack([it.estimators_, it.estimators_])),
    ),
    "boosted trees begin with a model of another kind": (
        "gradient_boosting",
        lambda it: setattr(it, "init_", KNeighborsRegressor()),
    ),
    "boosted trees begin with no number": (
        "gradient_boosting",
        lambda it: setattr(it.init_, "constant_", np.zeros((1, 0))),
    ),
    "a histogram sees other columns": (
        "hist_gradient_boosting",
        lambda it: setattr(it, "_preprocessor", "drop"),
    ),
    "a histogram's left child is far away": (
        "hist_gradient_boosting",
        lambda it: edited_nodes(it._predictors[0][0], "left", FAR),
    ),
    "a histogram asks for a feature that is not there": (
        "hist_gradient_boosting",
        lambda it: edited_nodes(it._predictors[0][0], "feature_idx", 9),
    ),
    "a histogram looks a number up": (
        "hist_gradient_boosting",
        lambda it: edited_nodes(it._predictors[0][0], "is_categorical", 1),
    ),
    "a histogram's category has no bit": (
        "hist_gradient_boosting",
        _large_category,
    ),
    "LightGBM's child is far away": (
        "lightgbm",
        lambda it: edited_lightgbm(it, r"left_child=-?\d+", f"left_child={FAR}"),
    ),
    "LightGBM's leaf is far away": (
        "lightgbm",
        lambda it: edited_lightgbm(it, r"right_child=-?\d+", f"right_child={-FAR}"),
    ),
    "LightGBM asks for a feature that is not there": (
        "lightgbm",
        lambda it: edited_lightgbm(it, r"split_feature=\d+", "split_feature=3"),
    ),
    "LightGBM looks up what it has not": (
        "lightgbm",
        lambda it: edited_lightgbm(it, r"decision_type=\d+", "decision_type=1"),
    ),
    "XGBoost's child is far away": (
        "xgboost",
        lambda it: edited_xgboost(it, _first_tree("left_children", FAR)),
    ),
    "XGBoost asks for a feature that is not there": (
        "xgboost",
        lambda it: edited_xgboost(it, _first_tree("split_indices", 3)),
    ),
    "XGBoost looks up what it has not": (
        "xgboost",
        lambda it: edited_xgboost(it, _first_tree("split_type", 1)),
    ),
    "XGBoost writes beside its prediction": (
        "xgboost",
        lambda it: edited_xgboost(it, lambda model: model["tree_info"].__setitem__(0, 5)),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_tree_is_refused(fitted: Mapping[ModelType, bytes], case: str) -> None:
    kind, spoil = BROKEN[case]
    estimator = load_pipeline(fitted[kind], kind)[-1]
    spoil(estimator)
    with pytest.raises(ModelUnusable) as refusal:
        require_sound(estimator, kind)
    assert refusal.value.reason == "unloadable_model"


def test_a_broken_forest_is_refused_from_its_file_too(fitted: Mapping[ModelType, bytes]) -> None:
    pipeline = load_pipeline(fitted["random_forest"], "random_forest")
    edited_tree(pipeline[-1].estimators_[0].tree_, left_child=(0, FAR))
    with pytest.raises(ModelUnusable, match="a node that it does not have"):
        load_pipeline(skops_bytes(pipeline), "random_forest")


def test_an_estimator_of_another_kind_than_the_model_says_is_refused() -> None:
    other = KNeighborsRegressor().fit(np.zeros((9, 2)), np.zeros(9))
    with pytest.raises(ModelUnusable, match="KNeighborsRegressor, not a Ridge") as refusal:
        load_pipeline(bytes(skops.io.dumps(Pipeline([("model", other)]))), "ridge")
    assert refusal.value.reason == "unloadable_model"


def packed(entries: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("times", [1, 3])
def test_a_file_that_unpacks_to_far_more_than_it_has_is_refused_before_it_is_unpacked(times: int) -> None:
    """Whether it is one large entry, or a smaller one that many parts name."""
    zeros = bytes((100 << 20) // times)
    named = [{"file": "zeros.npy"}] * (1 if times == 1 else 2 * times)
    bomb = packed({"schema.json": json.dumps({"content": named}).encode(), "zeros.npy": zeros})
    with pytest.raises(ModelUnusable, match="unpacks to") as refusal:
        load_pipeline(bomb, "ridge")
    assert refusal.value.reason == "unloadable_model"


def test_a_schema_nested_without_end_is_refused() -> None:
    with pytest.raises(ModelUnusable) as refusal:
        load_pipeline(packed({"schema.json": b"[" * 100_000 + os.urandom(2000)}), "ridge")
    assert refusal.value.reason == "unloadable_model"
