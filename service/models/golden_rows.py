"""A few rows that travel with a model, with its predictions for them: each loader can compare."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from math import isclose, isfinite
from typing import Any, Final, NamedTuple, Protocol, Self

import numpy as np

from domain.arrays import Floats, Numbers
from domain.comparison import SAME_RELATIVE
from service.adapters.pyarrow.datasets import Frame, Table, frame_of_rows, informative_rows, rows_at

GOLDEN: Final = "golden_rows"  # under this name they travel
_ROWS: Final = 5
_INFORMATIVE: Final = 3


class Asked(Protocol):
    """A fitted model, with the rows that it was fitted on."""

    def prepared_row(self, place: int) -> Numbers:
        """One of those rows as the estimator sees it."""

    def predictions(self, places: Sequence[int] | None = None) -> Floats:
        """What it predicts for them, or for a few of them by their places."""


class Picked(NamedTuple):
    """Rows that tell much, as a request would bring them, by their places."""

    places: tuple[int, ...]
    rows: tuple[dict[str, object], ...]

    @classmethod
    def of(cls, table: Table, columns: Sequence[str], places: Sequence[int] | None = None) -> Self:
        """Pick them from a table, or those that are at `places`."""
        chosen = _places(table, columns) if places is None else places
        return cls(tuple(chosen), tuple(rows_at(table, columns, chosen)))


def golden_rows(picked: Picked, fitted: Asked, others: Callable[[Sequence[int]], Picked]) -> dict[str, Any]:
    """The picked rows with what the fitted model says of them.

    `prepared` are their values as the estimator sees them, those that are not 0, by their places. A row for
    which the model has no number is left out; `others` are asked for where it has none for any.
    """
    said = fitted.predictions(picked.places)
    if not np.isfinite(said).any():  # few models have no number at all
        picked = others(np.flatnonzero(np.isfinite(fitted.predictions()))[:_ROWS].tolist())
        said = fitted.predictions(picked.places) if picked.places else np.array([])
    asked = zip(picked.places, picked.rows, said, strict=True)
    kept = [(place, row, float(value)) for place, row, value in asked if isfinite(value)]
    return {
        "rows": [{name: _json_value(value) for name, value in row.items()} for _, row, _ in kept],
        "predictions": [value for _, _, value in kept],
        "prepared": [prepared_values(fitted.prepared_row(place)) for place, _, _ in kept],
    }


def prepared_values(row: Numbers) -> list[tuple[int, float | None]]:
    """The values of one prepared row that are not 0, by their places, as JSON."""
    return [(place, _json_value(float(row[place]))) for place in np.flatnonzero(row).tolist()]


def _places(table: Table, columns: Sequence[str]) -> list[int]:
    """First and last row, then extremes and nulls of the columns, then others over the whole table."""
    spread = np.linspace(0, table.num_rows - 1, _ROWS, dtype=np.int64).tolist()
    informative = islice(informative_rows(table, columns), _INFORMATIVE)
    found = dict.fromkeys([spread[0], spread[-1], *informative, *spread])
    return sorted([*found][:_ROWS])


def disagreements(golden: Mapping[str, Any], predict: Callable[[Frame], Floats]) -> list[str]:
    """Ask a model for its golden rows, and say where it answers something else."""
    return differences(golden, predict(frame_of_rows(golden["rows"]))) if golden["rows"] else []


def differences(golden: Mapping[str, Any], answers: Sequence[float] | Floats) -> list[str]:
    """Say where a model's answers to its golden rows are not those that were recorded."""
    pairs = zip(golden["predictions"], answers, strict=True)
    return [
        f"row {place}: {said!r} was recorded, {float(now)!r} is predicted now"
        for place, (said, now) in enumerate(pairs)
        if not isclose(now, said, rel_tol=SAME_RELATIVE, abs_tol=SAME_RELATIVE)
    ]


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value
