"""Whatever a feature schema says, it says the same after it was stored."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feature_schema import FeatureSchema

numeric = st.fixed_dictionaries(
    {"type": st.just("numeric")},
    optional={
        "impute": st.sampled_from(["mean", "median", "most_frequent", "constant"]),
        "clip": st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2).map(sorted),
        "scaler": st.sampled_from(["standard", "minmax"]),
    },
)
orders = st.lists(st.text(), min_size=1, unique=True) | st.lists(st.integers(), min_size=1, unique=True)
categorical = st.fixed_dictionaries(
    {
        "type": st.just("categorical"),
        "encoding": st.sampled_from(["binary", "ordinal", "onehot"]),
        "order": orders,
    },
    optional={"impute": st.just("most_frequent")},
)
features = st.dictionaries(st.text(), numeric | categorical, min_size=1, max_size=8)


@settings(deadline=None)
@given(features)
def test_a_schema_survives_json_with_its_order(specs: dict[str, Any]) -> None:
    schema = FeatureSchema.model_validate({"version": 1, "data_contract": 1, "tabular_features": specs})
    stored = json.loads(schema.model_dump_json())
    again = FeatureSchema.model_validate(stored)
    assert again == schema
    assert again.columns == tuple(specs)
    pairs = {**stored, "tabular_features": [list(pair) for pair in stored["tabular_features"].items()]}
    assert FeatureSchema.model_validate(json.loads(json.dumps(pairs, sort_keys=True))).columns == tuple(specs)
