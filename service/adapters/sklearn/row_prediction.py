"""Predicting rows that are mappings, as a server has them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.adapters.pyarrow.datasets import frame_of_rows
from service.adapters.sklearn.fitting import predict


def row_predictor(
    pipeline: Any, columns: Sequence[str]
) -> Callable[[Sequence[Mapping[str, Any]]], list[float]]:
    """A function from rows, each with every column, to one raw target per row, in their order."""

    def predicted(rows: Sequence[Mapping[str, Any]]) -> list[float]:
        frame = frame_of_rows([{name: row[name] for name in columns} for row in rows])
        return [float(value) for value in predict(pipeline, frame)]

    return predicted
