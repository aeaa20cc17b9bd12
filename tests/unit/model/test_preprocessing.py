"""The pipeline does to every column what the user's formats say, in training and in a one-row request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import ValidationError
from sklearn.pipeline import Pipeline

from domain.data_contract import DataContract
from domain.feature_schema import ENCODINGS, SCALERS, Encoding, FeatureSchema
from service.adapters.pyarrow.frame_rules import frame_faults
from service.adapters.sklearn.preprocessing import build_preprocessing
from service.adapters.sklearn.row_preparation import row_preparation
from tests.straight import straight_model
from tests.worlds.synthetic import write_world

TEXT = ["b", "a", None, "c", "b", "a", None, "b"]
NUMBERS = [3.0, None, 1.0, 7.5, 1.0, None, -2.0, 4.0]
GRADES = [2, None, 3, 1, 3, None, 2, 3]
NULLS: Mapping[str, Any] = {
    "None": pd.Series([None], dtype="object"),
    "NaN": pd.Series([np.nan], dtype="float64"),
    "NaN among objects": pd.Series([np.nan], dtype="object"),
    "NA": pd.Series([pd.NA], dtype="object"),
    "NA of a nullable integer": pd.Series([pd.NA], dtype="Int64"),
    "NA of a nullable float": pd.Series([pd.NA], dtype="Float64"),
    "NA of a text type": pd.Series([pd.NA], dtype="string"),
}
IMPUTES = ("mean", "median", "most_frequent", "constant")


def schemas(spec: Mapping[str, Any], kind: str) -> tuple[FeatureSchema, DataContract]:
    features = FeatureSchema.model_validate(
        {"version": 1, "data_contract": 1, "tabular_features": {"x": spec}}
    )
    contract = DataContract.model_validate(
        {
            "version": 1,
            "columns": {"x": {"type": kind}, "key": {"type": "int"}, "y": {"type": "float"}},
            "primary_key": ["key"],
            "target": "y",
        }
    )
    return features, contract


def fitted(column: list[Any], spec: Mapping[str, Any], kind: str) -> Any:
    return build_preprocessing(*schemas(spec, kind)).fit(pd.DataFrame({"x": column}))


def agrees(column: list[Any], spec: Mapping[str, Any], kind: str) -> Any:
    """Compare on the training rows; return the fitted transformer."""
    transformer = fitted(column, spec, kind)
    frame = pd.DataFrame({"x": pd.Series(column, dtype="object")})
    expected = straight_model.prepared(frame, frame, {"x": spec})
    np.testing.assert_allclose(transformer.transform(pd.DataFrame({"x": column})), expected, rtol=1e-9)
    return transformer


@pytest.mark.parametrize("impute", [None, *IMPUTES])
@pytest.mark.parametrize("clip", [None, [0, 5]])
@pytest.mark.parametrize("scaler", [None, "standard", "minmax"])
def test_numbers_are_imputed_then_clipped_then_scaled(
    impute: str | None, clip: list[float] | None, scaler: str | None
) -> None:
    column = NUMBERS if impute else [value or 0.5 for value in NUMBERS]
    spec = {
        name: value
        for name, value in {"type": "numeric", "impute": impute, "clip": clip, "scaler": scaler}.items()
        if value is not None
    }
    agrees(column, spec, "float")


CATEGORICAL = [
    *(
        {"type": "categorical", "impute": impute, "encoding": encoding}
        for impute in ("most_frequent", "constant")
        for encoding in ("binary", "onehot")
    ),
    {"type": "categorical", "encoding": "onehot"},
    {"type": "categorical", "impute": "most_frequent", "encoding": "ordinal", "order": ["c", "a", "b"]},
    {
        "type": "categorical",
        "impute": "constant",
        "encoding": "ordinal",
        "order": ["missing_value", "c", "b", "a"],
    },
    {"type": "categorical", "impute": "most_frequent", "encoding": "binary", "order": ["c", "d", "b", "a"]},
    {"type": "categorical", "impute": "constant", "encoding": "binary", "order": ["z", "c", "b", "a"]},
]


@pytest.mark.parametrize("spec", CATEGORICAL, ids=str)
def test_text_is_imputed_then_encoded(spec: Mapping[str, Any]) -> None:
    agrees(TEXT, spec, "string")


@pytest.mark.parametrize("spec", CATEGORICAL[:5], ids=str)
def test_categories_may_be_numbers(spec: Mapping[str, Any]) -> None:
    agrees(GRADES, spec, "int")


def test_an_order_of_numbers_need_not_ascend() -> None:
    spec = {"type": "categorical", "impute": "most_frequent", "encoding": "ordinal", "order": [3, 1, 2]}
    transformer = agrees(GRADES, spec, "int")
    assert transformer.transform(pd.DataFrame({"x": [1]})).tolist() == [[1.0]]


@pytest.mark.parametrize("null", NULLS.values(), ids=NULLS.keys())
@pytest.mark.parametrize("impute", IMPUTES)
def test_every_kind_of_null_in_a_one_row_frame_is_imputed_as_a_number(null: pd.Series, impute: str) -> None:
    transformer = fitted(NUMBERS, {"type": "numeric", "impute": impute}, "float")
    (expected,) = transformer.transform(pd.DataFrame({"x": NUMBERS})[1:2]).tolist()
    assert transformer.transform(pd.DataFrame({"x": null})).tolist() == [expected]


@pytest.mark.parametrize("null", NULLS.values(), ids=NULLS.keys())
@pytest.mark.parametrize("spec", CATEGORICAL, ids=str)
def test_every_kind_of_null_in_a_one_row_frame_is_imputed_as_a_category(
    null: pd.Series, spec: Mapping[str, Any]
) -> None:
    transformer = fitted(TEXT, spec, "string")
    (expected,) = transformer.transform(pd.DataFrame({"x": TEXT})[2:3]).tolist()
    assert transformer.transform(pd.DataFrame({"x": null})).tolist() == [expected]


@pytest.mark.parametrize("null", NULLS.values(), ids=NULLS.keys())
def test_without_imputation_a_null_number_reaches_the_estimator_as_nan(null: pd.Series) -> None:
    transformer = fitted([1.0, 2.0], {"type": "numeric"}, "float")
    assert np.isnan(transformer.transform(pd.DataFrame({"x": null}))).all()


@pytest.mark.parametrize("null", NULLS.values(), ids=NULLS.keys())
@pytest.mark.parametrize("encoding", ["binary", "ordinal"])
def test_without_imputation_a_null_category_is_an_error(null: pd.Series, encoding: str) -> None:
    spec = {"type": "categorical", "encoding": encoding, "order": ["a", "b"]}
    transformer = fitted(["a", "b"], spec, "string")
    with pytest.raises((ValueError, TypeError)):
        transformer.transform(pd.DataFrame({"x": null}))


@pytest.mark.parametrize("null", NULLS.values(), ids=NULLS.keys())
def test_onehot_without_imputation_shows_a_null_that_training_did_not_see_as_no_category(
    null: pd.Series,
) -> None:
    transformer = fitted(["a", "b"], {"type": "categorical", "encoding": "onehot"}, "string")
    assert transformer.transform(pd.DataFrame({"x": null})).tolist() == [[0.0, 0.0]]


def test_onehot_ignores_an_unknown_value_and_the_others_refuse_it() -> None:
    onehot = fitted(["a", "b"], {"type": "categorical", "encoding": "onehot"}, "string")
    binary = fitted(["a", "b"], {"type": "categorical", "encoding": "binary"}, "string")
    unknown = pd.DataFrame({"x": ["z"]})
    assert onehot.transform(unknown).tolist() == [[0.0, 0.0]]
    with pytest.raises(ValueError, match="unknown categories"):
        binary.transform(unknown)


def test_columns_stand_in_the_order_of_the_schema_and_others_are_dropped() -> None:
    features = FeatureSchema.model_validate(
        {
            "version": 1,
            "data_contract": 1,
            "tabular_features": {"remainder": {"type": "numeric"}, "a__b": {"type": "numeric"}},
        }
    )
    contract = DataContract.model_validate(
        {
            "version": 1,
            "columns": {name: {"type": "float"} for name in ("a__b", "remainder", "y")},
            "primary_key": ["a__b"],
            "target": "y",
        }
    )
    frame = pd.DataFrame({"a__b": [1.0, 2.0], "other": ["x", "y"], "remainder": [7.0, 8.0]})
    prepared = build_preprocessing(features, contract).fit_transform(frame)
    assert prepared.tolist() == [[7.0, 1.0], [8.0, 2.0]]


def test_the_synthetic_world_is_prepared_as_the_formats_say_in_bulk_and_row_by_row(tmp_path: Path) -> None:
    world = write_world(tmp_path, rows=200)
    documents = {
        name: yaml.safe_load((world.config_root / name).read_text(encoding="utf-8"))
        for name in ("features/v1.yaml", "data_contracts/v1.yaml")
    }
    features = FeatureSchema.model_validate(documents["features/v1.yaml"])
    contract = DataContract.model_validate(documents["data_contracts/v1.yaml"])
    columns = list(features.columns)
    rows = pq.read_table(world.master).select(columns)
    frame, plain = rows.to_pandas(), pd.DataFrame(rows.to_pylist(), columns=columns, dtype="object")
    transformer = build_preprocessing(features, contract).fit(frame)
    expected = straight_model.prepared(plain, plain, documents["features/v1.yaml"]["tabular_features"])
    np.testing.assert_allclose(transformer.transform(frame), expected, rtol=1e-9, atol=1e-9)
    one_by_one = [transformer.transform(pd.DataFrame([row])) for row in rows.slice(0, 60).to_pylist()]
    np.testing.assert_allclose(np.vstack(one_by_one), expected[:60], rtol=1e-9, atol=1e-9)


def test_an_encoding_is_one_row_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new row is configured, builds its class, and answers as it says for what was not in training."""
    arguments = {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -2}
    monkeypatch.setitem(ENCODINGS, "lenient", Encoding("OrdinalEncoder", arguments, takes_unseen=True))
    spec = {"type": "categorical", "encoding": "lenient"}
    transformer = fitted(["b", "a", None], spec, "string")
    rows = pd.DataFrame({"x": ["a", "b", "unseen", None]})
    assert transformer.transform(rows).tolist() == [[0], [1], [-1], [-2]]
    assert row_preparation(Pipeline([("preprocessing", transformer), ("model", "passthrough")])) is None
    table = pa.table({"x": ["b", None], "y": [1.0, 2.0]})
    assert not frame_faults(table, *schemas(spec, "string"), "y")


def test_a_scaler_is_one_row_of_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCALERS, "largest", "MaxAbsScaler")
    transformer = fitted([1.0, -4.0], {"type": "numeric", "scaler": "largest"}, "float")
    assert transformer.transform(pd.DataFrame({"x": [2.0]})).tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "categorical", "encoding": "hashed"}, "'binary', 'ordinal' or 'onehot'"),
        ({"type": "numeric", "scaler": "robust"}, "'standard' or 'minmax'"),
        ({"type": "numeric", "impute": "mode"}, "'mean', 'median', 'most_frequent' or 'constant'"),
        ({"type": "categorical", "encoding": "onehot", "impute": "mean"}, "most_frequent and constant"),
    ],
)
def test_what_no_row_names_is_refused_with_what_the_table_has(spec: dict[str, str], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        schemas(spec, "string")
