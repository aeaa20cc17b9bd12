"""Encoding the rows that a model learns from, column by column, into one matrix.

A column is taken, encoded and let go before the next one is looked at: beside the matrix there is only what
is not encoded yet. Matrix and fitted preprocessing are those that a ColumnTransformer makes of the whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy.sparse import csc_matrix, csr_matrix, hstack, issparse
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from domain.arrays import Floats, Numbers
from domain.data_contract import ColumnRule, DataContract
from domain.errors import NeverRetry
from domain.feature_schema import FeatureSchema, FeatureSpec
from service.adapters.sklearn.preprocessing import Stored, build_preprocessing, column_steps, stored_column


class GivenColumns(Protocol):
    """Columns by their names, each of which is given away once."""

    def pop(self, item: str, /) -> "pd.Series[Any]":
        """Give a column away."""


class Widths(NamedTuple):
    """How many columns of the matrix each column becomes, 1 if it does not say.

    Where it is wrong, the matrix is copied. `sparse`: zeros are left out. `by_rows`: a row's values lie in
    memory side by side, so the first column takes the memory of all. `single_precision`: 32 bits a value,
    unless it is sparse.
    """

    by_column: Mapping[str, int] = MappingProxyType({})
    sparse: bool = False
    by_rows: bool = False
    single_precision: bool = False

    def total(self, columns: Iterable[str]) -> int:
        """How many columns these become."""
        return sum(self.by_column.get(name, 1) for name in columns)


ONE_EACH: Final = Widths()


class Encoded(NamedTuple):
    """A fitted preprocessing, and the rows that it was fitted on as it makes them."""

    preprocessing: ColumnTransformer
    rows: Numbers | csr_matrix


def encode(
    features: FeatureSchema, contract: DataContract, columns: GivenColumns, widths: Widths = ONE_EACH
) -> Encoded:
    """Fit the preprocessing on columns. Raises NeverRetry `frame_invalid`, naming the column at fault."""
    total = widths.total(features.columns)
    matrix = _SparseMatrix() if widths.sparse else _Matrix(total, widths)
    stored: dict[str, Stored] = {}
    fitted: list[Pipeline] = []
    ends: list[int] = []
    for name, spec in features.tabular_features.items():
        one = _encoded(name, columns.pop(name), spec, contract.columns[name])
        matrix.add(one.block)
        stored[name] = one.stored
        fitted.append(one.steps)
        ends.append(matrix.filled)
        del one
    preprocessing = build_preprocessing(features, contract, stored)
    return Encoded(_assembled(preprocessing, fitted, np.diff([0, *ends])), matrix.whole())


def first_line(error: Exception) -> str:
    """scikit-learn's advice follows in further lines, and is for the code's author."""
    return str(error).partition("\n")[0]


class _Matrix:
    """Rows of numbers that are filled from left to right."""

    def __init__(self, columns: int, widths: Widths) -> None:
        self._columns = columns
        self._order: Literal["C", "F"] = "C" if widths.by_rows else "F"
        self._type: type[np.float64 | np.float32] = np.float32 if widths.single_precision else np.float64
        self._values: Numbers | None = None
        self.filled = 0

    def add(self, block: Any) -> None:
        """Add columns: an array, or a sparse matrix whose other values are zeros."""
        end = self.filled + block.shape[1]
        values = self._room(block.shape[0], max(end, self._columns))
        if issparse(block):
            values[:, self.filled : end] = 0.0
            entries = block.tocoo()
            values[entries.row, self.filled + entries.col] = entries.data
        else:
            with np.errstate(over="ignore"):  # the estimator refuses what becomes infinite
                values[:, self.filled : end] = block
        self.filled = end

    def whole(self) -> Numbers:
        """The rows, when every column is there."""
        values = self._room(0, self.filled)
        if values.shape[1] == self.filled:
            return values
        return np.array(values[:, : self.filled], order=self._order)

    def _room(self, rows: int, columns: int) -> Numbers:
        if self._values is None:
            self._values = np.empty((rows, columns), self._type, self._order)
        elif self._values.shape[1] < columns:
            wider = np.empty((len(self._values), columns), self._type, self._order)
            wider[:, : self.filled] = self._values[:, : self.filled]
            self._values = wider
        return self._values


class _SparseMatrix:
    """The same without zeros: the values of each row that are not, with their places."""

    def __init__(self) -> None:
        self._blocks: list[csc_matrix] = []
        self.filled = 0

    def add(self, block: Any) -> None:
        """Add columns: an array or a sparse matrix."""
        self._blocks.append(csc_matrix(block))
        self.filled += block.shape[1]

    def whole(self) -> csr_matrix:
        """The rows, when every column is there."""
        return hstack(self._blocks, format="csr")


class _Column(NamedTuple):
    stored: Stored
    steps: Pipeline
    block: Any


def _encoded(name: str, column: "pd.Series[Any]", spec: FeatureSpec, rule: ColumnRule) -> _Column:
    stored = stored_column(column, rule, spec)
    steps = column_steps(spec, rule, stored)
    try:
        with _sparse(steps):
            return _Column(stored, steps, steps.fit_transform(column))
    except (ValueError, TypeError) as error:
        raise NeverRetry(
            "frame_invalid", f"column {name!r} cannot be prepared ({first_line(error)})", column=name
        ) from error


@contextmanager
def _sparse(steps: Pipeline) -> Iterator[None]:
    """Of a column for each value only the ones are told; the fitted encoder is dense, as servers know it."""
    if not isinstance(steps[-1], OneHotEncoder):
        yield
        return
    steps[-1].set_params(sparse_output=True)
    yield
    steps[-1].set_params(sparse_output=False)


class _Standin(BaseEstimator):  # type: ignore[misc] # it has no types
    """Takes the place of steps that are fitted already: it makes as many columns as they do."""

    def __init__(self, width: int = 1) -> None:
        self.width = width

    def fit(self, _rows: object, _target: object = None) -> "_Standin":
        """Learn nothing."""
        return self

    def transform(self, rows: "pd.Series[Any]") -> Floats:
        """Make zeros."""
        return np.zeros((len(rows), self.width))


def _assembled(preprocessing: ColumnTransformer, fitted: list[Pipeline], widths: Any) -> ColumnTransformer:
    """Fit on one row, which tells a ColumnTransformer all but the steps; then give it those."""
    unfitted = preprocessing.transformers
    names = [column for _, _, column in unfitted]
    standins = [
        (label, _Standin(int(width)), column)
        for (label, _, column), width in zip(unfitted, widths, strict=True)
    ]
    preprocessing.set_params(transformers=standins)
    preprocessing.fit(pd.DataFrame([[0.0] * len(names)], columns=names))
    preprocessing.set_params(transformers=unfitted)
    preprocessing.transformers_ = [
        (label, steps, column) for (label, _, column), steps in zip(unfitted, fitted, strict=True)
    ]
    return preprocessing
