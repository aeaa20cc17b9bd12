"""`models/vN.yaml` names an estimator, its params as JSON values, and how the target is fitted."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.model_types import MODEL_TYPES, ModelDefinition


@pytest.mark.parametrize("kind", MODEL_TYPES)
def test_every_type_is_read_with_or_without_params(kind: str) -> None:
    bare = ModelDefinition.model_validate({"version": 2, "model": {"type": kind}})
    empty = ModelDefinition.model_validate({"version": 2, "model": {"type": kind, "params": None}})
    assert bare == empty
    assert (bare.model.params, bare.model.target_transform) == ({}, None)


def test_params_keep_the_types_that_the_file_gave_them() -> None:
    params = {"a": 1, "b": 1.0, "c": "1e5", "d": True, "e": None, "f": [1, "x"]}
    read = ModelDefinition.model_validate({"version": 1, "model": {"type": "ridge", "params": params}})
    assert repr(dict(read.model.params)) == repr(params)


REFUSED: list[dict[str, Any]] = [
    {"type": "svm"},
    {"type": "ridge", "params": {"alpha": float("nan")}},
    {"type": "ridge", "params": {"alpha": frozenset()}},
    {"type": "ridge", "params": {3: 1}},
    {"type": "ridge", "target_transform": "sqrt"},
    {"type": "ridge", "parameters": {}},
    {"params": {}},
]


@pytest.mark.parametrize("model", REFUSED, ids=str)
def test_what_is_no_definition_is_refused(model: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ModelDefinition.model_validate({"version": 1, "model": model})
