"""Predicting rows that are mappings, as a server has them."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from domain.errors import ModelUnusable
from service.adapters.sklearn.fitting import predicted_by
from service.adapters.sklearn.forests import with_trees_asked_directly
from service.adapters.sklearn.row_preparation import UNKNOWN, RowPreparation, row_preparation


class RowPredictor:
    """A preparation and a fitted estimator.

    `prepare` is the preparation. `categories` are what it has seen; `singles` are columns that it knows in
    32 bits.
    """

    def __init__(self, prepare: RowPreparation, estimator: Any) -> None:
        self.prepare = prepare
        self._estimator = with_trees_asked_directly(estimator)
        self.categories: Mapping[str, tuple[Any, ...]] = prepare.categories
        self.singles = prepare.singles

    @classmethod
    def of(cls, pipeline: Any) -> Self:
        """Read a fitted pipeline of ours. Raises ModelUnusable `unloadable_model`."""
        return cls(row_preparation(pipeline[0]), pipeline[-1])

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """One raw target per row, in their order; each row has every column.

        Raises ModelUnusable `cannot_predict`, naming the column at fault.
        """
        try:
            said: list[float] = predicted_by(self._estimator, self.prepare(rows)).tolist()
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
