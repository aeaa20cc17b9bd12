"""Whatever comes back from MLflow's address is sorted, and whatever is logged fits its requests."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import LaurelError, NeverRetry, TryLater
from service.adapters.mlflow.answer_types import MlflowAnswer
from service.adapters.mlflow.errors import ForeignAnswer, read_answer
from service.adapters.mlflow.experiment_tracker import metric_list, param_list, request_bodies, tag_list

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
CODES = (
    st.sampled_from(["RESOURCE_DOES_NOT_EXIST", "INTERNAL_ERROR", "PERMISSION_DENIED", "BAD_REQUEST"]) | JSON
)
MLFLOW = st.fixed_dictionaries({"error_code": CODES}, optional={"message": JSON})
BODIES = st.binary(max_size=200) | (JSON | MLFLOW).map(lambda value: json.dumps(value).encode())
STATUSES = st.sampled_from([200, 201, 204, 301, 302, 400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504])
KEYS = st.integers(0, 10_000).map(lambda number: f"key-{number}")


def outcome(status: int, body: bytes) -> MlflowAnswer | LaurelError:
    """What becomes of an answer; any error but ours goes through."""
    try:
        return read_answer("GET anything", ForeignAnswer(status, body))
    except LaurelError as error:
        return error


@given(STATUSES, BODIES)
def test_only_a_json_object_with_200_is_an_answer(status: int, body: bytes) -> None:
    """Nothing else gets through, and nothing but our own errors comes out."""
    found = outcome(status, body)
    if isinstance(found, dict):
        assert (status, found) == (200, json.loads(body))
    else:
        assert isinstance(found, TryLater | NeverRetry)


@given(STATUSES, BODIES)
def test_it_is_a_refusal_only_when_mlflow_names_its_code(status: int, body: bytes) -> None:
    """Silence, proxies and servers in trouble ask to come back."""
    found = outcome(status, body)
    if isinstance(found, NeverRetry):
        assert json.loads(body)["error_code"] == found.facts["code"]
        assert status < 500
    if isinstance(found, TryLater):
        assert found.waiting_on == "mlflow"


def test_deep_nesting_is_no_answer() -> None:
    with pytest.raises(TryLater):
        read_answer("GET anything", ForeignAnswer(200, b'{"a":' * 200_000))


@given(
    st.dictionaries(KEYS, st.integers() | st.text(max_size=5), max_size=350),
    st.dictionaries(KEYS, st.floats(allow_nan=False, allow_infinity=False), max_size=1800),
    st.dictionaries(KEYS, st.text(max_size=5), max_size=250),
)
def test_everything_is_logged_once_in_requests_that_mlflow_takes(
    params: dict[str, Any], metrics: dict[str, float], tags: dict[str, str]
) -> None:
    bodies = list(request_bodies(param_list(params), metric_list(metrics, 1), tag_list(tags)))
    for body in bodies:
        assert len(body["params"]) <= 100
        assert len(body["tags"]) <= 100
        assert sum(map(len, body.values())) <= 1000
    logged = {
        kind: [item["key"] for body in bodies for item in body[kind]]
        for kind in ("params", "metrics", "tags")
    }
    assert logged == {"params": list(params), "metrics": list(metrics), "tags": list(tags)}
    assert bool(bodies) == bool(params or metrics or tags)
