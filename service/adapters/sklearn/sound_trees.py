"""Trees whose every way ends in a leaf of their own: what native code follows without looking.

The libraries check the sizes of a tree's arrays and believe the numbers in them. A child that is no node of
the tree, or a feature that no row has, reads foreign memory and takes the process down; a node with two
parents may never come to a leaf. Trees in a booster's native memory are read from what it writes itself.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

from domain.errors import ModelUnusable
from domain.model_types import MODEL_TYPES, ModelKind, TreeLayout
from service.adapters.sklearn.estimators import class_of

if TYPE_CHECKING:
    from lightgbm import LGBMRegressor
    from xgboost import XGBRegressor


class Nodes(NamedTuple):
    """Children and feature of each node by its place; `asks` is true where a node is no leaf."""

    left: ArrayLike
    right: ArrayLike
    feature: ArrayLike
    asks: ArrayLike


def require_sound_nodes(nodes: Nodes, features: int, number: int) -> None:
    """Every node is reached once at the most, and asks for a feature that a row has.

    Raises ModelUnusable `unloadable_model`.
    """
    asks = np.asarray(nodes.asks, dtype=bool)
    asked = np.asarray(nodes.feature)[asks].astype(np.int64)
    children = np.concatenate([np.asarray(side)[asks].astype(np.int64) for side in (nodes.left, nodes.right)])
    where = f"tree {number}"
    require(len(asks) > 0, f"{where} has no node")
    require(_within(asked, 0, features), f"{where} uses a feature that no row has")
    require(_within(children, 1, len(asks)), f"{where} leads to a node that it does not have")
    require(len(np.unique(children)) == len(children), f"{where} leads to a node twice")


def require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - the assertion itself
    """Raise ModelUnusable `unloadable_model` unless it is so."""
    if not is_so:
        raise ModelUnusable("unloadable_model", f"the model's trees are broken: {otherwise}")


def _within(values: NDArray[np.int64], least: int, beyond: int) -> bool:
    return bool(((values >= least) & (values < beyond)).all())


_BY_CATEGORY: Final = 1  # LightGBM's bit for a node that looks a category up


def lightgbm_trees(regressor: "LGBMRegressor") -> Iterator[Nodes]:
    """Each tree of a LightGBM regressor; leaves stand behind the nodes that ask."""
    booster = regressor.booster_
    require(booster.num_model_per_iteration() == 1, "it predicts several numbers")
    require(booster.num_feature() == regressor.n_features_in_, "its features are not those of its rows")
    _, *trees = booster.model_to_string().split("\nTree=")
    return (_lightgbm_tree(_fields(tree.partition("\n\n\n")[0]), booster.num_feature()) for tree in trees)


def _fields(tree: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)


def _lightgbm_tree(fields: Mapping[str, str], features: int) -> Nodes:
    leaves = int(fields["num_leaves"])
    require(leaves >= 1, "a tree has no leaf")
    asking = leaves - 1
    left, right, feature = (_ints(fields, name) for name in ("left_child", "right_child", "split_feature"))
    require(len(left) == len(right) == len(feature) == asking, "a tree's sizes differ")
    _require_categories(fields)
    linear = _ints(fields, "leaf_features")
    require(bool(((linear >= 0) & (linear < features)).all()), "a leaf uses a feature that no row has")
    # A leaf is written as its number's complement: 0 is ~0, or -1.
    left, right = (np.where(side < 0, asking + ~side, side) for side in (left, right))
    rest = np.zeros(leaves, dtype=np.int64)
    left, right, feature = (np.concatenate([side, rest]) for side in (left, right, feature))
    return Nodes(left, right, feature, np.arange(asking + leaves) < asking)


def _require_categories(fields: Mapping[str, str]) -> None:
    """What a node looks up lies within the tree's own table."""
    kinds, boundaries = _ints(fields, "decision_type"), _ints(fields, "cat_boundaries")
    looks_up = (kinds & _BY_CATEGORY) != 0
    if not looks_up.any():
        return
    places = np.array([float(text) for text in fields["threshold"].split()])[looks_up]
    require(bool(((places >= 0) & (places < len(boundaries) - 1)).all()), "a node has no categories")
    is_growing = bool((np.diff(boundaries) >= 0).all()) and boundaries[0] == 0
    ends = is_growing and boundaries[-1] <= len(_ints(fields, "cat_threshold"))
    require(ends, "a tree's categories overlap or end early")


def _ints(fields: Mapping[str, str], name: str) -> NDArray[np.int64]:
    return np.array(fields.get(name, "").split(), dtype=np.int64)


def xgboost_trees(regressor: "XGBRegressor") -> Iterator[Nodes]:
    """Each tree of an XGBoost regressor."""
    booster = regressor.get_booster()
    learner = json.loads(booster.save_raw("json"))["learner"]
    features = int(learner["learner_model_param"]["num_feature"])
    require(features == regressor.n_features_in_, "its features are not those of its rows")
    forest = learner["gradient_booster"]
    model = forest.get("gbtree", forest).get("model", {})
    require(not any(model.get("tree_info", ())), "it predicts several numbers")
    ends = model.get("iteration_indptr", [0])
    trees = model.get("trees", [])
    require(ends == sorted(ends) and ends[0] >= 0 and ends[-1] <= len(trees), "its rounds are not its trees")
    return map(_xgboost_tree, trees)


def _xgboost_tree(tree: Mapping[str, Sequence[int]]) -> Nodes:
    left = np.array(tree["left_children"])
    asks = left != -1
    by_category = np.flatnonzero(np.array(tree["split_type"])[asks])
    if by_category.size:
        known = set(tree["categories_nodes"])
        require(known.issuperset(np.flatnonzero(asks)[by_category].tolist()), "a node has no categories")
    segments, sizes = np.array(tree["categories_segments"]), np.array(tree["categories_sizes"])
    ends = (segments >= 0) & (sizes >= 0) & (segments + sizes <= len(tree["categories"]))
    require(bool(ends.all()), "a tree's categories end early")
    return Nodes(left, np.array(tree["right_children"]), np.array(tree["split_indices"]), asks)


_CATEGORIES: Final = 256  # that a bitset of scikit-learn has room for


def require_sound(estimator: Any, model_type: str) -> None:
    """Look at the kind of a fitted estimator, and at its every node.

    Raises ModelUnusable `unloadable_model`.
    """
    try:
        fitted = estimator.regressor_ if isinstance(estimator, TransformedTargetRegressor) else estimator
        kind = MODEL_TYPES[model_type]
        _require_kind(fitted, kind)
        for number, nodes in enumerate(_TREES[kind.trees](fitted)):
            require_sound_nodes(nodes, int(fitted.n_features_in_), number)
    except ModelUnusable:
        raise
    except Exception as error:  # whatever a strange estimator lacks, its trees cannot be looked at
        raise ModelUnusable(
            "unloadable_model", f"the model's trees cannot be checked ({type(error).__name__}: {error})"
        ) from error


def _require_kind(estimator: Any, kind: ModelKind) -> None:
    """Others have native code too, and nodes, vectors or tables that nobody here knows."""
    found = type(estimator).__name__
    require(isinstance(estimator, class_of(kind)), f"its estimator is a {found}, not a {kind.class_name}")


def _forest(forest: RandomForestRegressor) -> Iterator[Nodes]:
    require(len(forest.estimators_) > 0, "it has no trees")
    return (_nodes_of(tree.tree_) for tree in forest.estimators_)


def _boosted(boosting: GradientBoostingRegressor) -> Iterator[Nodes]:
    """One column of trees: with more, they write beside the predictions."""
    require(boosting.estimators_.shape == (len(boosting.estimators_), 1), "its trees are not one column")
    first = type(boosting.init_).__name__
    require(first in {"DummyRegressor", "str"}, f"it begins with the predictions of a {first}")
    begins = np.size(boosting.init_.constant_) if first == "DummyRegressor" else 1
    require(begins == 1, f"it begins with {begins} numbers")
    return (_nodes_of(tree.tree_) for tree in boosting.estimators_[:, 0])


def _nodes_of(tree: Any) -> Nodes:
    require(tree.n_outputs == 1, "a tree has several outputs")
    return Nodes(tree.children_left, tree.children_right, tree.feature, tree.children_left != -1)


def _histograms(boosting: HistGradientBoostingRegressor) -> Iterator[Nodes]:
    require(boosting._preprocessor is None, "it prepares its rows once more")  # noqa: SLF001 - as below
    mapper = boosting._bin_mapper  # noqa: SLF001 - scikit-learn shows its trees nowhere else
    is_categorical = np.asarray(mapper.is_categorical_, dtype=bool)
    require(is_categorical.size == boosting.n_features_in_, "its bins are not those of its features")
    for place in np.flatnonzero(is_categorical):
        values = np.asarray(mapper.bin_thresholds_[place])
        require(bool(((values >= 0) & (values < _CATEGORIES)).all()), "a category has no place in its bitset")
    for (predictor,) in boosting._predictors:  # noqa: SLF001 - as above
        yield _binned(predictor, is_categorical)


def _binned(predictor: Any, is_categorical: Any) -> Nodes:
    nodes = predictor.nodes
    asks = nodes["is_leaf"] == 0
    by_bits = nodes[asks & (nodes["is_categorical"] != 0)]
    require(bool((by_bits["bitset_idx"] < len(predictor.raw_left_cat_bitsets)).all()), "a node has no bitset")
    require(bool((by_bits["feature_idx"] < is_categorical.size).all()), "a node uses no feature")
    require(bool(is_categorical[by_bits["feature_idx"]].all()), "a node takes a number for a category")
    return Nodes(nodes["left"], nodes["right"], nodes["feature_idx"], asks)


_TREES: Final[Mapping[TreeLayout, Callable[[Any], Iterator[Nodes]]]] = {
    "none": lambda _: iter(()),
    "forest": _forest,
    "boosted": _boosted,
    "histograms": _histograms,
    "lightgbm": lightgbm_trees,
    "xgboost": xgboost_trees,
}
