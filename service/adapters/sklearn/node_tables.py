"""The nodes of one tree as arrays, whichever library grew it, and what must be true of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from domain.errors import ModelUnusable


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
