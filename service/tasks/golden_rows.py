"""A few rows that travel with a model, with what it said about them: whoever loads it can compare."""

from collections.abc import Callable, Mapping, Sequence
from math import isclose, isfinite
from typing import Any, Final

import numpy as np

from domain.metrics import Floats
from service.adapters.pyarrow.datasets import Frame, Table, frame_of_rows, rows_at

_ROWS: Final = 5
# A few rows at a time, a linear model's sums of products may be added up in another order than in bulk.
_TOLERANCE: Final = 1e-9


def golden_rows(
    table: Table, columns: Sequence[str], predictions: Callable[[Sequence[int]], Floats]
) -> dict[str, Any]:
    """Pick rows over the whole table, as a request would bring them; `predictions` are by their places.

    A row for which the model has no number is left out.
    """
    places = np.unique(np.linspace(0, table.num_rows - 1, _ROWS, dtype=np.int64)).tolist()
    rows = rows_at(table, columns, places)
    pairs = [
        (row, float(said)) for row, said in zip(rows, predictions(places), strict=True) if isfinite(said)
    ]
    return {
        "rows": [{name: _json_value(value) for name, value in row.items()} for row, _ in pairs],
        "predictions": [said for _, said in pairs],
    }


def disagreements(golden: Mapping[str, Any], predict: Callable[[Frame], Floats]) -> list[str]:
    """Ask a model for its golden rows, and say where it answers something else."""
    return differences(golden, predict(frame_of_rows(golden["rows"]))) if golden["rows"] else []


def differences(golden: Mapping[str, Any], answers: Sequence[float] | Floats) -> list[str]:
    """Say where a model's answers to its golden rows are not those that were recorded."""
    pairs = zip(golden["predictions"], answers, strict=True)
    return [
        f"row {place}: {said!r} was recorded, {float(now)!r} is said"
        for place, (said, now) in enumerate(pairs)
        if not isclose(now, said, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    ]


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
