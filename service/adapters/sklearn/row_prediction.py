"""Predicting rows that are mappings, as a server has them."""

from collections.abc import Mapping, Sequence
from typing import Any

from service.adapters.pyarrow.datasets import frame_of_rows
from service.adapters.sklearn.fitting import predict, predicted_by
from service.adapters.sklearn.forests import ask_trees_directly
from service.adapters.sklearn.row_preparation import row_preparation


class RowPredictor:
    """A fitted pipeline that is asked for rows. `categories` are what its encoders know, by column."""

    def __init__(self, pipeline: Any, columns: Sequence[str]) -> None:
        self._pipeline = pipeline
        self._columns = tuple(columns)
        ask_trees_directly(pipeline[-1])
        self._prepare = row_preparation(pipeline[0])
        self.categories: Mapping[str, tuple[Any, ...]] = self._prepare.categories if self._prepare else {}

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """One raw target per row, in their order; each row has every column.

        Raises ModelUnusable `cannot_predict`. What the quick preparation does not know is the pipeline's to
        judge.
        """
        if self._prepare is None:
            return self.by_pipeline(rows)
        try:
            said: list[float] = predicted_by(self._pipeline[-1], self._prepare(rows)).tolist()
        except (KeyError, TypeError, ValueError):
            return self.by_pipeline(rows)
        return said

    def by_pipeline(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """The same by the pipeline itself, which takes a frame. Raises ModelUnusable `cannot_predict`."""
        frame = frame_of_rows([{name: row[name] for name in self._columns} for row in rows])
        said: list[float] = predict(self._pipeline, frame).tolist()
        return said
