"""From the feature schema to a ColumnTransformer that any scikit-learn loads without our code.

Every part is importable from NumPy, pandas or scikit-learn, and every column is prepared by itself, handed
over as a Series (a bare column name): pandas converts one column to its nullable and categorical types, but
not a block of several. That conversion is what makes None, NaN and NA one kind of null, in training and in a
one-row frame alike; after it come plain NumPy arrays, which the later parts check far faster than frames.
"""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from domain.data_contract import DataContract
from domain.feature_schema import NUMBER_FILL, TEXT_FILL, CategoricalSpec, FeatureSchema, NumericSpec

_Steps = list[tuple[str, Any]]


def build_preprocessing(features: FeatureSchema, contract: DataContract) -> ColumnTransformer:
    """Build the unfitted preprocessing; its output is dense float64 in the order of the schema's columns.

    Other columns of a frame are dropped. The parts are named by number: scikit-learn refuses names that
    a column may well have.
    """
    columns = [
        (f"column_{place}", _prepare(spec, is_number=contract.columns[name].is_number), name)
        for place, (name, spec) in enumerate(features.tabular_features.items())
    ]
    return ColumnTransformer(columns, sparse_threshold=0.0, verbose_feature_names_out=False)


def _prepare(spec: NumericSpec | CategoricalSpec, *, is_number: bool) -> Pipeline:
    if isinstance(spec, NumericSpec):
        return Pipeline(_numeric_steps(spec))
    return Pipeline(_categorical_steps(spec, NUMBER_FILL if is_number else TEXT_FILL))


def _numeric_steps(spec: NumericSpec) -> _Steps:
    steps: _Steps = [
        ("number", _calling(pd.DataFrame, dtype="Float64")),
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
        steps.append(("scale", StandardScaler() if spec.scaler == "standard" else MinMaxScaler()))
    return steps


def _categorical_steps(spec: CategoricalSpec, fill: str | int) -> _Steps:
    steps: _Steps = [
        # A text type of pandas would carry its own null into the categories, so it is opened first.
        ("values", _calling(pd.Series, dtype="object")),
        ("category", _calling(pd.DataFrame, dtype="category")),
        ("array", _calling(np.asarray, dtype="object")),
    ]
    if spec.impute is not None:
        steps.append(("impute", _imputer(spec.impute, fill if spec.impute == "constant" else None)))
    return [*steps, ("encode", _encoder(spec, fill))]


def _encoder(spec: CategoricalSpec, fill: str | int) -> OneHotEncoder | OrdinalEncoder:
    if spec.encoding == "onehot":
        return OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    if spec.order is None:
        return OrdinalEncoder()
    if spec.encoding == "ordinal":
        return OrdinalEncoder(categories=[list(spec.order)])
    allowed: set[Any] = {*spec.order, fill} if spec.impute == "constant" else {*spec.order}
    return OrdinalEncoder(categories=[sorted(allowed)])


def _imputer(strategy: str, fill: str | int | None = None) -> SimpleImputer:
    """A column that was empty in training keeps its place, whatever version of scikit-learn loads it."""
    return SimpleImputer(strategy=strategy, fill_value=fill, keep_empty_features=True)


def _calling(function: Any, **arguments: Any) -> FunctionTransformer:
    return FunctionTransformer(function, kw_args=arguments)
