"""From the feature schema to a ColumnTransformer that any scikit-learn loads without our code.

Every part is importable from NumPy, pandas or scikit-learn, and every column is prepared by itself, handed
over as a Series (a bare column name): pandas converts one column to its nullable and categorical types, but
not a block of several. That conversion is what makes None, NaN and NA one kind of null, in training and in a
one-row frame alike; after it come plain NumPy arrays, which the later parts check far faster than frames.

A value means the same in a file and in JSON. A float of 32 bits is not the number that JSON spells, and
pandas makes floats of whole numbers beside a null. Categories beyond 2⁵³, which no float tells apart, are
therefore texts of digits to the encoder, in the order of the numbers.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from sklearn import preprocessing
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from domain.arrays import single
from domain.data_contract import ColumnRule, DataContract
from domain.feature_schema import (
    NUMBER_FILL,
    SCALERS,
    TEXT_FILL,
    CategoricalSpec,
    FeatureSchema,
    FeatureSpec,
    NumericSpec,
)

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


def stored_column(column: "pd.Series[Any]", kind: ColumnRule, spec: FeatureSpec) -> Stored:
    """Look at a column of the train part."""
    return Stored(
        is_single=kind.type == "float" and column.dtype == np.float32,
        long=_long_numbers(column, spec),
    )


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


_Steps = list[tuple[str, BaseEstimator]]
_ALL_PLAIN: Final[Mapping[str, Stored]] = MappingProxyType({})


def build_preprocessing(
    features: FeatureSchema, contract: DataContract, stored: Mapping[str, Stored] = _ALL_PLAIN
) -> ColumnTransformer:
    """Build the unfitted preprocessing; its output is dense float64 in the order of the schema's columns.

    `stored` says of columns how the train part holds them. Other columns of a frame are dropped. The parts
    are named by number: scikit-learn refuses names that a column may well have.
    """
    columns = [
        (f"column_{place}", column_steps(spec, contract.columns[name], stored.get(name, PLAIN)), name)
        for place, (name, spec) in enumerate(features.tabular_features.items())
    ]
    return ColumnTransformer(columns, sparse_threshold=0.0, verbose_feature_names_out=False)


def column_steps(spec: FeatureSpec, kind: ColumnRule, stored: Stored) -> Pipeline:
    """The unfitted steps of one column."""
    if isinstance(spec, NumericSpec):
        return Pipeline(_numeric_steps(spec, "Float32" if stored.is_single else "Float64"))
    if stored.long is not None:
        return Pipeline(_long_number_steps(spec, stored.long))
    return Pipeline(_categorical_steps(spec, NUMBER_FILL if kind.is_number else TEXT_FILL, stored))


def _numeric_steps(spec: NumericSpec, dtype: str) -> _Steps:
    steps: _Steps = [
        ("number", _calling(pd.DataFrame, dtype=dtype)),
        ("array", _calling(np.asarray, dtype="float64")),
    ]
    if spec.impute == "constant":
        # Not SimpleImputer: the one of scikit-learn 1.9 keeps this fill in a form that 1.7 refuses.
        steps.append(("impute", _calling(np.nan_to_num, nan=NUMBER_FILL, posinf=np.inf, neginf=-np.inf)))
    elif spec.impute is not None:
        steps.append(("impute", _imputer(spec.impute)))
    if spec.clip is not None:
        steps.append(("clip", _calling(np.clip, a_min=spec.clip[0], a_max=spec.clip[1])))
    if spec.scaler is not None:
        steps.append(("scale", getattr(preprocessing, SCALERS[spec.scaler])()))
    return steps


def _categorical_steps(spec: CategoricalSpec, fill: str | int, stored: Stored) -> _Steps:
    # A text type of pandas would carry its own null into the categories, so it is opened first.
    steps = _category_steps("Float32" if stored.is_single else "object")
    if spec.impute is not None:
        steps.append(("impute", _imputer(spec.impute, fill if spec.impute == "constant" else None)))
    order = [single(float(value)) for value in spec.order] if spec.order and stored.is_single else spec.order
    given = None if order is None or spec.encoder.takes_unseen else _in_order(spec, order, fill)
    return [*steps, ("encode", _encoder(spec, given))]


def _category_steps(dtype: str) -> _Steps:
    return [
        ("values", _calling(pd.Series, dtype=dtype)),
        ("category", _calling(pd.DataFrame, dtype="category")),
        ("array", _calling(np.asarray, dtype="object")),
    ]


def _long_number_steps(spec: CategoricalSpec, long: LongNumbers) -> _Steps:
    steps: _Steps = [
        ("whole", _calling(pd.Series, dtype=long.dtype)),
        ("digits", _calling(pd.Series, dtype="string")),
        *_category_steps("object"),
    ]
    values = list(long.values)
    if spec.impute is not None:
        fill = NUMBER_FILL if spec.impute == "constant" else long.usual
        steps.append(("impute", _imputer("constant", str(fill))))
        values = sorted({*values, fill}) if long.has_nulls else values
    return [*steps, ("encode", _digits_encoder(spec, values, has_nulls=long.has_nulls))]


def _encoder(spec: CategoricalSpec, categories: list[Any] | None) -> BaseEstimator:
    """`categories` are given in the order of their codes, or are those of training, sorted."""
    given = {} if categories is None else {"categories": [categories]}
    return getattr(preprocessing, spec.encoder.encoder)(**given, **spec.encoder.arguments)


def _digits_encoder(spec: CategoricalSpec, values: Sequence[int], *, has_nulls: bool) -> BaseEstimator:
    if spec.encoder.takes_unseen:
        nulls = [np.nan] if has_nulls and spec.impute is None else []
        return _encoder(spec, [*map(str, values), *nulls])
    known = values if spec.order is None else _in_order(spec, spec.order, NUMBER_FILL)
    return _encoder(spec, [*map(_digits, known)])


def _digits(value: float) -> str:
    return str(int(value)) if value % 1 == 0 else str(value)


def _in_order(spec: CategoricalSpec, order: Iterable[Any], fill: str | int) -> list[Any]:
    """The categories in the order of their codes, where the schema names them."""
    if spec.encoder.needs_order:
        return list(order)
    allowed = {*order, fill} if spec.impute == "constant" else {*order}
    return sorted(allowed)


def _imputer(strategy: str, fill: str | int | None = None) -> SimpleImputer:
    """A column that was empty in training keeps its place, whatever version of scikit-learn loads it."""
    return SimpleImputer(strategy=strategy, fill_value=fill, keep_empty_features=True)


def _calling(function: Callable[..., object], **arguments: object) -> FunctionTransformer:
    return FunctionTransformer(function, kw_args=arguments)
