"""Does a fit go into the memory that it may take: asked before it begins, so that none dies halfway.

What a fit takes is proportional to its encoded matrix. The factor of each model type stands in the
table of model types; `python -m bench.large.fit` measures it.
"""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from domain.errors import NeverRetry
from domain.feature_schema import CategoricalSpec, FeatureSchema
from domain.model_types import MODEL_TYPES
from domain.wording import byte_count
from service.adapters.pyarrow.datasets import Table, value_count
from service.processes.child_table import OUT_OF_MEMORY
from service.processes.kernel import held_by
from service.processes.machine import memory_bytes

_NUMBER_BYTES: Final = 8
_SPARSE_BYTES: Final = 12  # a number and its place
_MOSTLY_ZEROS: Final = 3  # columns for each value of a row
_MOST_VALUES: Final = 2**31  # places are counted in 32 bits
_WIDE: Final = 2  # a column that becomes more than its share of the others has made the matrix large


class Matrix(NamedTuple):
    """What a model type learns from: rows, and how many columns each feature becomes."""

    model_type: str
    rows: int
    widths: Mapping[str, int]

    @property
    def columns(self) -> int:
        """How many columns the encoded rows have."""
        return sum(self.widths.values())

    @property
    def sparse(self) -> bool:
        """True where zeros are left out: the type takes such rows, and most of these are zeros."""
        values = self.rows * len(self.widths)
        is_mostly_zeros = self.columns >= _MOSTLY_ZEROS * len(self.widths) and values < _MOST_VALUES
        return is_mostly_zeros and MODEL_TYPES[self.model_type].takes_sparse

    @property
    def fit_bytes(self) -> int:
        """What a fit on it takes at least."""
        factor = MODEL_TYPES[self.model_type].memory_factor
        row = _SPARSE_BYTES * len(self.widths) if self.sparse else _NUMBER_BYTES * self.columns
        return int(self.rows * row * factor)


def least_matrix(model_type: str, rows: int, features: FeatureSchema) -> Matrix:
    """What is known before a value is read: every feature becomes one column at least."""
    return Matrix(model_type, rows, dict.fromkeys(features.columns, 1))


def matrix_of(model_type: str, table: Table, features: FeatureSchema) -> Matrix:
    """What the rows of a table become, whose values are counted where each one becomes a column."""
    widths = {name: _width(table, name, spec) for name, spec in features.tabular_features.items()}
    return Matrix(model_type, table.num_rows, widths)


def require_memory(matrix: Matrix, limit_bytes: int | None) -> None:
    """Refuse a fit that cannot end well. Raises NeverRetry `out_of_memory`; None is the machine's limit."""
    machine = memory_bytes()
    allowed = machine if limit_bytes is None else min(machine, limit_bytes)
    needed = held_by(os.getpid()) + matrix.fit_bytes
    if needed > allowed:
        raise _too_large(matrix, needed, allowed, is_setting=allowed == limit_bytes)


def _width(table: Table, name: str, spec: object) -> int:
    if not isinstance(spec, CategoricalSpec) or not spec.encoder.column_per_value:
        return 1
    return max(1, value_count(table, name, with_null=spec.impute is None))


def _too_large(matrix: Matrix, needed: int, allowed: int, *, is_setting: bool) -> NeverRetry:
    whose = "CHILD__MEMORY_MEGABYTES" if is_setting else "the limit of this container or machine"
    column, values = max(matrix.widths.items(), key=lambda width: width[1])
    is_wide = values > _WIDE * (matrix.columns - values)
    why, way_out, facts = "", "", {}
    if is_wide:
        facts = {"column": column, "values": values}
        why = f", of which column {column!r} makes {values}: each of its values is a column"
        way_out = f"give {column!r} another encoding or fewer values, or leave it out; or "
    return NeverRetry(
        OUT_OF_MEMORY,
        f"the fit needs about {byte_count(needed)}, allowed are {byte_count(allowed)} ({whose}): "
        f"{matrix.model_type} on {matrix.rows} rows in {matrix.columns} columns{why}. To fit it, {way_out}"
        "allow more memory, or train on fewer rows or columns",
        needed_bytes=needed,
        allowed_bytes=allowed,
        rows=matrix.rows,
        columns=matrix.columns,
        **facts,
    )
