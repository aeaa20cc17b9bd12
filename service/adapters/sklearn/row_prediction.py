"""Predicting rows that are mappings, as a server has them."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import pandas as pd

from domain.errors import ModelUnusable
from service.adapters.sklearn.fitting import predicted_by
from service.adapters.sklearn.forests import with_trees_asked_directly
from service.adapters.sklearn.row_preparation import UNKNOWN, RowPreparation, row_preparation


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
    32 bits. `estimator` is what takes the prepared rows.
    """

    def __init__(self, prepare: RowPreparation | FrameOfRows, estimator: Any) -> None:
        self.prepare = prepare
        self.estimator = estimator
        self._asked = with_trees_asked_directly(estimator)
        self.categories: Mapping[str, tuple[Any, ...]] = prepare.categories
        self.singles = prepare.singles

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
