"""Input drift: values that the contract allows, and that the model has not been trained for.

The bounds are the least and the greatest value of training, else what the feature schema clips to. The
categories are those that the fitted encoders know. A column with neither is watched for nulls alone.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Final, Literal, NamedTuple, get_args

import numpy as np

from domain.arrays import RowColumns
from domain.feature_schema import CategoricalSpec, FeatureSchema
from service.models.request_fields import Known
from service.serving.served_model import Row

DriftKind = Literal["out_of_range", "unseen_category", "null"]
KINDS: Final[tuple[DriftKind, ...]] = get_args(DriftKind)
Ranges = Mapping[str, tuple[float, float]]
_Hit = tuple[str, DriftKind]


class _Watched(NamedTuple):
    name: str
    low: float
    high: float
    values: frozenset[object] | None


class DriftCounts:
    """How often each feature of the served model drifted, in which way, since the process began."""

    def __init__(self) -> None:
        self._counts: Counter[_Hit] = Counter()
        self._lock = threading.Lock()

    def add(self, hits: Iterable[_Hit] | Mapping[_Hit, int]) -> None:
        """Count what one request brought."""
        with self._lock:
            self._counts.update(hits)

    def keep(self, features: Iterable[str]) -> None:
        """Begin these features' series, and forget those of features that are served no more."""
        with self._lock:
            self._counts = Counter(
                {(name, kind): self._counts[name, kind] for name in features for kind in KINDS}
            )

    def each(self) -> Mapping[_Hit, int]:
        """The counts now."""
        with self._lock:
            return dict(self._counts)


class DriftWatch:
    """Looks at the checked rows of one model."""

    def __init__(self, features: FeatureSchema, known: Known, ranges: Ranges) -> None:
        self._watched = [*_watched(features, known, ranges)]

    def hits(self, rows: Sequence[Row]) -> list[_Hit]:
        """What drifted, once per row and feature."""
        found: list[_Hit] = []
        for row in rows:
            for name, low, high, values in self._watched:
                value = row[name]
                if value is None:
                    found.append((name, "null"))
                elif values is not None:
                    if value not in values:
                        found.append((name, "unseen_category"))
                elif not isinstance(value, str) and not low <= value <= high:
                    found.append((name, "out_of_range"))
        return found

    def hits_in(self, columns: RowColumns) -> Counter[_Hit]:
        """The same of rows by column: how often each."""
        found: Counter[_Hit] = Counter()
        ranged = [one for one in self._watched if one.values is None and one.name in columns.names]
        for one, out, nulls in zip(ranged, *_outside(columns, ranged), strict=True):
            found[one.name, "out_of_range"] += out
            found[one.name, "null"] += nulls
        for name, _, _, values in self._watched:
            if values is not None or name in columns.texts:
                found.update(_strange(name, columns.values(name), values))
        return +found


def _strange(name: str, column: Sequence[object], values: frozenset[object] | None) -> Counter[_Hit]:
    """How often a null stands in a column, and a category that is not among these."""
    found: Counter[_Hit] = Counter()
    if values is not None and values.issuperset(column):
        return found
    for value, count in Counter(column).items():
        if value is None:
            found[name, "null"] = count
        elif values is not None and value not in values:
            found[name, "unseen_category"] += count
    return found


def _outside(columns: RowColumns, ranged: Sequence[_Watched]) -> tuple[list[int], list[int]]:
    """How many values of each column lie outside its range, and how many are null."""
    block = columns.numbers[:, [columns.names.index(one.name) for one in ranged]]
    nulls = np.isnan(block)
    inside = (block >= [one.low for one in ranged]) & (block <= [one.high for one in ranged])
    return (~(inside | nulls)).sum(axis=0).tolist(), nulls.sum(axis=0).tolist()


def _watched(features: FeatureSchema, known: Known, ranges: Ranges) -> Iterator[_Watched]:
    for name, spec in features.tabular_features.items():
        if isinstance(spec, CategoricalSpec):
            values = known.get(name, spec.order)
            yield _Watched(name, -inf, inf, None if values is None else frozenset(values))
        else:
            low, high = ranges.get(name) or spec.clip or (-inf, inf)
            yield _Watched(name, low, high, None)
