"""The trees of boosters that keep them in native memory, read from what the booster itself writes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from service.adapters.sklearn.node_tables import Nodes, require

if TYPE_CHECKING:
    from lightgbm import LGBMRegressor
    from xgboost import XGBRegressor

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
