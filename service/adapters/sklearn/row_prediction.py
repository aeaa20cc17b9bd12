"""Predicting rows that are mappings, as a server has them.

Trees are asked for a few rows directly. scikit-learn sends each tree of a random forest through joblib, which
takes a tenth of a millisecond for every tree, even with one thread; a tree itself takes microseconds. Boosted
trees look at their rows three times over, which takes four times as long as all the trees; and a target that
was fitted as a logarithm is looked at twice more.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.ensemble._gradient_boosting import predict_stages
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

from domain.arrays import Floats, RowColumns
from domain.errors import ModelUnusable
from service.adapters.sklearn.fitting import predicted_by
from service.adapters.sklearn.row_preparation import UNKNOWN, RowPreparation, row_preparation


def with_trees_asked_directly(estimator: BaseEstimator) -> BaseEstimator:
    """A fitted forest or boosted trees, if the estimator is or holds such, that add up their trees in order.

    That is what they do with one thread, so the predictions are the same to the bit. What is not finite they
    judge as before. The estimator itself stays as it is, and is shared.
    """
    if isinstance(estimator, TransformedTargetRegressor):
        asked = copy(estimator)
        asked.regressor_ = with_trees_asked_directly(estimator.regressor_)
        if _is_function_of_one(estimator):
            asked.predict = _inverted(estimator, asked.regressor_)
    elif isinstance(estimator, RandomForestRegressor):
        asked = copy(estimator)
        asked.predict = _direct(estimator)
    elif isinstance(estimator, GradientBoostingRegressor) and isinstance(estimator.init_, DummyRegressor):
        asked = copy(estimator)
        asked.predict = _boosted(estimator)
    elif isinstance(estimator, HistGradientBoostingRegressor) and _is_plain(estimator):
        asked = copy(estimator)
        asked.predict = _histograms(estimator)
    else:
        asked = estimator
    return asked


def _direct(forest: RandomForestRegressor) -> Callable[[Floats], Floats]:
    trees = [tree.tree_ for tree in forest.estimators_]

    def predict(prepared: Floats) -> Floats:
        with np.errstate(over="ignore"):
            narrow = prepared.astype(np.float32)
        if not np.isfinite(narrow).all():
            return np.asarray(RandomForestRegressor.predict(forest, prepared))
        total = np.zeros(len(narrow))
        for tree in trees:
            total += tree.predict(narrow)[:, 0]
        total /= len(trees)
        return total

    return predict


def _boosted(boosting: GradientBoostingRegressor) -> Callable[[Floats], Floats]:
    trees, rate, first = boosting.estimators_, boosting.learning_rate, boosting.init_.constant_

    def predict(prepared: Floats) -> Floats:
        with np.errstate(over="ignore"):
            narrow = np.ascontiguousarray(prepared, dtype=np.float32)
        if not np.isfinite(narrow).all():
            return np.asarray(GradientBoostingRegressor.predict(boosting, prepared))
        total = np.tile(first.astype(np.float64), (len(narrow), 1))
        predict_stages(trees, narrow, rate, total)
        return total[:, 0]

    return predict


def _histograms(boosting: HistGradientBoostingRegressor) -> Callable[[Floats], Floats]:
    trees = [tree for (tree,) in boosting._predictors]  # noqa: SLF001 - scikit-learn shows them nowhere else
    first = boosting._baseline_prediction.reshape(-1)  # noqa: SLF001 - as above
    link = boosting._loss.link  # noqa: SLF001 - as above
    bitsets, places = boosting._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001 - as above

    def predict(prepared: Floats) -> Floats:
        if prepared.shape[1] != boosting.n_features_in_:
            return np.asarray(HistGradientBoostingRegressor.predict(boosting, prepared))
        threads = _openmp_effective_n_threads()
        total = np.zeros(len(prepared))
        total += first
        for tree in trees:
            total += tree.predict(prepared, bitsets, places, threads)
        return np.asarray(link.inverse(total))

    return predict


def _is_plain(boosting: HistGradientBoostingRegressor) -> bool:
    """True when it takes its rows as they are."""
    return boosting._preprocessor is None  # noqa: SLF001 - scikit-learn shows it nowhere else


def _is_function_of_one(estimator: TransformedTargetRegressor) -> bool:
    """True when the target is what a function makes of each number by itself."""
    back = estimator.transformer_
    return isinstance(back, FunctionTransformer) and back.inverse_func is np.expm1 and not back.inv_kw_args


def _inverted(estimator: TransformedTargetRegressor, regressor: BaseEstimator) -> Callable[[Floats], Floats]:
    inverse = estimator.transformer_.inverse_func

    def predict(prepared: Floats) -> Floats:
        said = regressor.predict(prepared)
        if said.ndim != 1 or not np.isfinite(said).all():
            return np.asarray(TransformedTargetRegressor.predict(estimator, prepared))
        return np.asarray(inverse(said.reshape(-1, 1))[:, 0])

    return predict


class FrameOfRows:
    """Prepares nothing: the rows as the frame that a whole pipeline takes, whose preparation is its own."""

    categories: Mapping[str, tuple[Any, ...]] = MappingProxyType({})
    singles: frozenset[str] = frozenset()

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """A frame with a column for each field."""
        return pd.DataFrame(list(rows), dtype="object")

    def column_at_fault(self, _: Sequence[Mapping[str, Any]]) -> None:
        """Nobody can tell."""


class RowPredictor:
    """A preparation and a fitted estimator, or a whole pipeline that prepares its rows itself.

    `prepare` is the preparation. `categories` are what it has seen; `singles` are columns that it knows in
    32 bits. `estimator` is what takes the prepared rows. `of_columns` says the same of rows by column, or
    None where asking for the rows tells what the model does not know; a whole pipeline has none.
    """

    def __init__(self, prepare: RowPreparation | FrameOfRows, estimator: Any) -> None:
        self.prepare = prepare
        self.estimator = estimator
        self._asked = with_trees_asked_directly(estimator)
        self.categories: Mapping[str, tuple[Any, ...]] = prepare.categories
        self.singles = prepare.singles
        self.of_columns: Callable[[RowColumns], list[float] | None] | None = None
        if isinstance(prepare, RowPreparation):
            self.of_columns = partial(_of_columns, prepare, self._asked)

    @classmethod
    def of(cls, pipeline: Any) -> Self:
        """Read a fitted pipeline. One with a step that is not Laurel's predicts as a whole, and slower.

        Raises ModelUnusable `unloadable_model`.
        """
        prepare, estimator = row_preparation(pipeline), pipeline[-1]
        if prepare is None:
            return cls(FrameOfRows(), pipeline)
        takes = getattr(estimator, "regressor_", estimator).n_features_in_
        if prepare.width != takes:
            raise ModelUnusable(
                "unloadable_model",
                f"the preprocessing makes {prepare.width} values of a row, the estimator takes {takes}",
            )
        return cls(prepare, estimator)

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """One raw target per row, in their order; each row has every column.

        Raises ModelUnusable `cannot_predict`, naming the column at fault.
        """
        try:
            said: list[float] = predicted_by(self._asked, self.prepare(rows)).tolist()
        except UNKNOWN as error:
            raise self._cannot(rows, error) from error
        return said

    def _cannot(self, rows: Sequence[Mapping[str, Any]], error: Exception) -> ModelUnusable:
        column = self.prepare.column_at_fault(rows)
        where = f"column {column!r}" if column else "the estimator"
        sentence = str(error).partition("\n")[0]
        return ModelUnusable(
            "cannot_predict", f"the model cannot predict these rows ({where}: {sentence})", column=column
        )


def _of_columns(prepare: RowPreparation, asked: BaseEstimator, columns: RowColumns) -> list[float] | None:
    try:
        said: list[float] = predicted_by(asked, prepare.of_columns(columns)).tolist()
    except UNKNOWN:
        return None
    return said
