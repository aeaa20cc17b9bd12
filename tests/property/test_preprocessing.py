"""Whatever a column holds and its spec says, the pipeline prepares it as the straight implementation does."""

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.data_contract import DataContract
from domain.feature_schema import FeatureSchema
from service.adapters.sklearn.preprocessing import build_preprocessing
from tests.straight import straight_model

IMPUTES = ("mean", "median", "most_frequent", "constant")
NULLS = (None, np.nan, pd.NA)
numbers = st.floats(-1e6, 1e6).map(lambda value: round(value, 3)) | st.integers(-1000, 1000)
texts = st.sampled_from(["b", "a", "ä", "", "missing_value", "長"])
nulls = st.sampled_from(NULLS)


def with_nulls(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    columns = st.lists(st.one_of(values, values, nulls), min_size=2, max_size=25)
    return columns.filter(lambda column: any(not pd.isna(value) for value in column))


def agrees(column: list[Any], spec: dict[str, Any], kind: str) -> None:
    """In bulk and row by row, for objects with every kind of null."""
    contract = {"x": {"type": kind}, "key": {"type": "int"}, "y": {"type": "float"}}
    transformer = build_preprocessing(
        FeatureSchema.model_validate({"version": 1, "data_contract": 1, "tabular_features": {"x": spec}}),
        DataContract.model_validate(
            {"version": 1, "columns": contract, "primary_key": ["key"], "target": "y"}
        ),
    )
    frame = pd.DataFrame({"x": pd.Series(column, dtype="object")})
    expected = straight_model.prepared(frame, frame, {"x": spec})
    np.testing.assert_allclose(transformer.fit_transform(frame), expected, rtol=1e-9, atol=1e-9)
    one_by_one = [transformer.transform(frame[place : place + 1]) for place in range(min(3, len(frame)))]
    np.testing.assert_allclose(np.vstack(one_by_one), expected[:3], rtol=1e-9, atol=1e-9)


@given(
    with_nulls(numbers),
    st.sampled_from(IMPUTES),
    st.none() | st.tuples(st.integers(-50, 0), st.integers(1, 50)).map(list),
    st.sampled_from([None, "standard", "minmax"]),
)
def test_columns_of_numbers(
    column: list[Any], impute: str, clip: list[int] | None, scaler: str | None
) -> None:
    spec = {"type": "numeric", "impute": impute, "clip": clip, "scaler": scaler}
    spec = {name: value for name, value in spec.items() if value is not None}
    unscaled = {name: value for name, value in spec.items() if name != "scaler"}
    frame = pd.DataFrame({"x": pd.Series(column, dtype="object")})
    spread = float(np.ptp(straight_model.prepared(frame, frame, {"x": unscaled})))
    assume(scaler is None or spread > 1e-3)  # a constant column has no scale to agree on
    agrees(column, spec, "float")


@given(
    with_nulls(texts),
    st.sampled_from(["most_frequent", "constant"]),
    st.sampled_from(["binary", "ordinal", "onehot"]),
    st.permutations(["b", "a", "ä", "", "missing_value", "長"]),
    st.booleans(),
)
def test_columns_of_text(
    column: list[Any],
    impute: str,
    encoding: str,
    order: list[str],
    named: bool,  # noqa: FBT001 - drawn, not called by a person
) -> None:
    spec: dict[str, Any] = {"type": "categorical", "impute": impute, "encoding": encoding}
    if named or encoding == "ordinal":
        spec["order"] = order
    agrees(column, spec, "string")
