"""Is a table fit to be learned from, or scored: every fault at once, before any fit.

The data contract was checked on the whole master before the split. Here is what a model also needs: its
columns with fitting types, numbers that are finite, and values that its encoders know.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from domain.arrays import single
from domain.data_contract import DataContract
from domain.faults import Fault
from domain.feature_schema import IMPUTATIONS, CategoricalSpec, FeatureSchema, NumericSpec


class FitNeeds(NamedTuple):
    """What a fit asks of the rows beyond what a prediction asks. `takes_nulls` is the estimator's."""

    takes_nulls: bool


def frame_faults(
    table: pa.Table, features: FeatureSchema, contract: DataContract, target: str, fit: FitNeeds | None = None
) -> list[Fault]:
    """List what is wrong with a table for these features and this target; `fit` is None when it is scored.

    A table that is only scored may hold columns without a single value: an imputer has its own already.
    """
    if not table.num_rows:
        return [Fault(code="no_rows", field="rows", message="there are no rows")]
    faults = list(target_faults(table, target))
    for name, spec in features.tabular_features.items():
        if name not in table.column_names:
            faults.append(_fault("column_missing", name, "is missing, or occurs twice"))
        else:
            faults += _feature_faults(table.column(name), name, spec, contract, fit)
    return faults


def target_faults(table: pa.Table, target: str) -> Iterator[Fault]:
    """The target is there, and every row has a finite number in it."""
    if target not in table.column_names:
        yield _fault("column_missing", target, "the target, is missing, or occurs twice")
        return
    column = table.column(target)
    if not _is_number(column.type):
        yield _fault("column_type", target, f"the target, holds {column.type}, not numbers")
    elif unusable := column.null_count + _count(pc.invert(pc.is_finite(column))):
        yield _fault("target_not_finite", target, f"the target, is null, NaN or infinite in {unusable} rows")


def _feature_faults(
    column: pa.ChunkedArray,
    name: str,
    spec: NumericSpec | CategoricalSpec,
    contract: DataContract,
    fit: FitNeeds | None,
) -> Iterator[Fault]:
    is_number = name in contract.columns and contract.columns[name].is_number
    if not pa.types.is_null(column.type) and not (_is_number if is_number else _is_text)(column.type):
        wanted = "numbers" if is_number else "text"
        yield _fault("column_type", name, f"holds {column.type}instead of {wanted}")
        return
    nulls = column.null_count + _count_floats(pc.is_nan, column)
    if infinite := _count_floats(pc.is_inf, column):
        yield _fault("column_infinite", name, f"is infinite in {infinite} rows")
    fills_empty = spec.impute is not None and IMPUTATIONS[spec.impute].fills_empty
    if fit is not None and nulls == len(column) and not fills_empty:
        yield _fault("column_empty", name, "has no value to learn from")
    elif isinstance(spec, CategoricalSpec):
        yield from _category_faults(column, name, spec, nulls)
    elif fit is not None and nulls and spec.impute is None and not fit.takes_nulls:
        yield _fault(
            "column_null", name, f"is null in {nulls} rows, is not imputed, and the model accepts no nulls"
        )


def _category_faults(
    column: pa.ChunkedArray, name: str, spec: CategoricalSpec, nulls: int
) -> Iterator[Fault]:
    if spec.encoder.takes_unseen:
        return
    if nulls and spec.impute is None:
        yield _fault("column_null", name, f"is null in {nulls} rows, and {spec.encoding} knows no null")
    if spec.order is not None and (unknown := _outside(column, spec)):
        values = ", ".join(repr(value) for value in unknown[:5])
        yield Fault(
            code="unknown_category",
            field=name,
            message=f"column {name!r} holds values that its order does not name: {values}",
            allowed=", ".join(str(value) for value in spec.order),
        )


def _outside(column: pa.ChunkedArray, spec: CategoricalSpec) -> list[object]:
    """The distinct values that stand neither in the order nor for a null."""
    known = {*(spec.order or ()), *([spec.fill] if spec.impute == "constant" else [])}
    if pa.types.is_float32(column.type):
        known = {single(float(value)) for value in known}
    values = pc.unique(column).to_pylist()
    return [value for value in values if value is not None and value == value and value not in known]  # noqa: PLR0124 - NaN


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(
        pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)
    )


def _count_floats(test: Callable[[pa.ChunkedArray], pa.ChunkedArray], column: pa.ChunkedArray) -> int:
    return _count(test(column)) if pa.types.is_floating(column.type) else 0


def _count(mask: pa.ChunkedArray) -> int:
    return pc.sum(mask).as_py() or 0


def _fault(code: str, name: str, what: str) -> Fault:
    return Fault(code=code, field=name, message=f"column {name!r} {what}")
