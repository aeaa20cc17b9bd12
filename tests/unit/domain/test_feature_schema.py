"""`features/vN.yaml` is read as the user's formats say, and what it may not say is refused clearly."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.feature_schema import CategoricalSpec, FeatureSchema, NumericSpec


def schema(**features: Any) -> FeatureSchema:
    return FeatureSchema.model_validate({"version": 1, "data_contract": 2, "tabular_features": features})


ACCEPTED: list[dict[str, Any]] = [
    {"type": "numeric"},
    {"type": "numeric", "impute": "median", "clip": [0, 1.5], "scaler": "minmax"},
    {"type": "numeric", "clip": [2, 2]},
    {"type": "categorical", "encoding": "onehot"},
    {"type": "categorical", "encoding": "onehot", "order": ["a"]},
    {"type": "categorical", "encoding": "binary", "impute": "constant"},
    {"type": "categorical", "encoding": "binary", "order": ["c", "a", "b"]},
    {"type": "categorical", "encoding": "ordinal", "order": [3, 1, 2]},
    {"type": "categorical", "encoding": "ordinal", "order": [0, 1], "impute": "constant"},
    {"type": "categorical", "encoding": "ordinal", "order": ["missing_value", "b"], "impute": "constant"},
]
REFUSED: list[tuple[Any, str]] = [
    ({}, "a feature says `type: numeric` or `type: categorical`"),
    (None, "a feature says `type: numeric` or `type: categorical`"),
    ("numeric", "a feature says `type: numeric` or `type: categorical`"),
    ({"type": "text"}, "a feature says `type: numeric` or `type: categorical`"),
    ({"type": "categorical"}, "Field required"),
    ({"type": "categorical", "encoding": "hash"}, "'binary', 'ordinal' or 'onehot'"),
    ({"type": "categorical", "encoding": "ordinal"}, "needs order"),
    ({"type": "categorical", "encoding": "ordinal", "order": []}, "order is empty"),
    ({"type": "categorical", "encoding": "ordinal", "order": ["a", "a"]}, "names a value twice"),
    ({"type": "categorical", "encoding": "ordinal", "order": ["a", 1]}, "mixes text and numbers"),
    ({"type": "categorical", "encoding": "ordinal", "order": ["yes", False]}, "quote them"),
    (
        {"type": "categorical", "encoding": "ordinal", "order": ["a"], "impute": "constant"},
        "'missing_value', which order must name",
    ),
    (
        {"type": "categorical", "encoding": "ordinal", "order": [1], "impute": "constant"},
        "fills 0, which order must name",
    ),
    ({"type": "categorical", "encoding": "onehot", "impute": "mean"}, "categories cannot be imputed by mean"),
    ({"type": "categorical", "encoding": "onehot", "scaler": "standard"}, "Extra inputs"),
    ({"type": "numeric", "encoding": "onehot"}, "Extra inputs"),
    ({"type": "numeric", "impute": "zero"}, "'mean', 'median', 'most_frequent' or 'constant'"),
    ({"type": "numeric", "scaler": "robust"}, "'standard' or 'minmax'"),
    ({"type": "numeric", "clip": [3, 1]}, "3 is more than 1"),
    ({"type": "numeric", "clip": [1]}, "Field required"),
    ({"type": "numeric", "clip": ["1e5", 2]}, "valid number"),
    ({"type": "numeric", "clip": [0, float("inf")]}, "finite number"),
]


@pytest.mark.parametrize("spec", ACCEPTED, ids=str)
def test_every_rule_of_the_format_is_read(spec: dict[str, Any]) -> None:
    read = schema(x=spec).tabular_features["x"]
    assert isinstance(read, NumericSpec if spec["type"] == "numeric" else CategoricalSpec)
    assert {name: value for name, value in read.model_dump(mode="json").items() if name in spec} == spec


@pytest.mark.parametrize(("spec", "why"), REFUSED, ids=str)
def test_what_the_format_does_not_allow_is_refused_clearly_and_in_its_place(spec: Any, why: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        schema(good={"type": "numeric"}, bad=spec)
    (fault,) = refusal.value.errors()
    assert fault["loc"][:2] == ("tabular_features", "bad")
    assert why in fault["msg"]


def test_the_order_of_the_map_is_the_models_column_order() -> None:
    names = ["z", "a", "m"]
    read = schema(**{name: {"type": "numeric"} for name in names})
    assert read.columns == ("z", "a", "m")
    assert FeatureSchema.model_validate_json(read.model_dump_json()).columns == ("z", "a", "m")


def test_pairs_in_a_list_are_the_same_map_in_the_same_order() -> None:
    pairs = [["z", {"type": "numeric"}], ["a", {"type": "numeric"}]]
    read = FeatureSchema.model_validate({"version": 1, "data_contract": 2, "tabular_features": pairs})
    assert read.columns == ("z", "a")
    assert read == schema(z={"type": "numeric"}, a={"type": "numeric"})


def test_a_list_that_is_no_list_of_pairs_is_refused() -> None:
    with pytest.raises(ValidationError, match="maps each column to its spec"):
        FeatureSchema.model_validate({"version": 1, "data_contract": 2, "tabular_features": ["area"]})


@pytest.mark.parametrize("images", [None, {}, []])
def test_image_features_may_be_absent_or_empty(images: Any) -> None:
    document = {"version": 1, "data_contract": 1, "tabular_features": {"x": {"type": "numeric"}}}
    assert FeatureSchema.model_validate({**document, "image_features": images, "split_columns": None}) == (
        FeatureSchema.model_validate(document)
    )


def test_image_features_are_refused() -> None:
    with pytest.raises(ValidationError, match="images are carried, not trained on"):
        FeatureSchema.model_validate(
            {
                "version": 1,
                "data_contract": 1,
                "tabular_features": {"x": {"type": "numeric"}},
                "image_features": {"photo": {"model": "cnn"}},
            }
        )


def test_a_schema_without_features_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        schema()


@pytest.mark.parametrize("version", [True, "1", 1.0, 0, None])
def test_a_version_is_a_whole_number_from_one_on(version: Any) -> None:
    document = {"version": version, "data_contract": 1, "tabular_features": {"x": {"type": "numeric"}}}
    with pytest.raises(ValidationError):
        FeatureSchema.model_validate(document)
