"""Trees whose every way ends in a leaf of their own: what native code follows without looking.

The libraries check the sizes of a tree's arrays and believe the numbers in them. A child that is no node of
the tree, or a feature that no row has, reads foreign memory and takes the process down; a node with two
parents may never come to a leaf.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)

from domain.errors import ModelUnusable
from domain.model_types import MODEL_TYPES, ModelKind, TreeLayout
from service.adapters.sklearn.booster_trees import lightgbm_trees, xgboost_trees
from service.adapters.sklearn.estimators import class_of
from service.adapters.sklearn.node_tables import Nodes, require, require_sound_nodes

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
