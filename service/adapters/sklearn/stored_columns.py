"""What preprocessing must know of a column's storage, so that a value means the same in a file and in JSON.

A float of 32 bits is not the number that JSON spells, and a whole number beyond 2⁵³ has no float at all,
which is what pandas makes of whole numbers beside a null. Other columns need nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from domain.data_contract import DataContract
from domain.feature_schema import CategoricalSpec, FeatureSchema, FeatureSpec

_FIRST_WITHOUT_FLOAT: Final = 2**53


class LongNumbers(NamedTuple):
    """A column of categories of which some are whole numbers beyond 2⁵³.

    `dtype` is the pandas type that holds them beside nulls, `values` are those of training, sorted, and
    `usual` the most frequent of them, the least if there are several; 0 without any.
    """

    dtype: Literal["Int64", "UInt64"]
    values: tuple[int, ...]
    usual: int
    has_nulls: bool


class Stored(NamedTuple):
    """How one column is stored. `is_single`: fractions in 32 bits."""

    is_single: bool = False
    long: LongNumbers | None = None


PLAIN: Final = Stored()


def stored_columns(
    frame: pd.DataFrame, features: FeatureSchema, contract: DataContract
) -> Mapping[str, Stored]:
    """Look at the columns of the train part."""
    return {
        name: Stored(
            is_single=contract.columns[name].type == "float" and frame[name].dtype == np.float32,
            long=_long_numbers(frame[name], spec),
        )
        for name, spec in features.tabular_features.items()
    }


def _long_numbers(column: "pd.Series[int]", spec: FeatureSpec) -> LongNumbers | None:
    if not isinstance(spec, CategoricalSpec) or not pd.api.types.is_integer_dtype(column.dtype):
        return None
    there = column.dropna()
    ends = [int(end) for end in (there.min(), there.max())] if len(there) else []
    if all(abs(value) < _FIRST_WITHOUT_FLOAT for value in (*ends, *_whole(spec.order))):
        return None
    counts = Counter(map(int, there))
    most = max(counts.values(), default=0)
    return LongNumbers(
        dtype="UInt64" if str(column.dtype).lower() == "uint64" else "Int64",
        values=tuple(sorted(counts)),
        usual=min((value for value in counts if counts[value] == most), default=0),
        has_nulls=len(there) < len(column),
    )


def _whole(order: Iterable[object] | None) -> list[int]:
    return [value for value in order or () if isinstance(value, int)]
