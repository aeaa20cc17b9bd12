"""The checks and the JSON Schema that is shown are of one mind, whatever JSON comes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from service.models.request_fields import LARGEST_NUMBER, LARGEST_WHOLE, RequestChecks, request_fields
from service.serving.page_models import example_row, row_schema
from tests.worlds.served_models import COLUMNS, FEATURES, contract_of, features_of

KNOWN = {"grade": ("low", "mid", "high")}
FIELDS = request_fields(features_of(), contract_of(), KNOWN)

NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        [0, -0.0, 1, 1.0, 50, 50.0, 50.5, LARGEST_WHOLE, 2**53 + 1, 2**64, LARGEST_NUMBER, 10**31, 10**400]
    ),
)
WORDS = st.one_of(
    st.text(max_size=5), st.sampled_from(["flat", "boat", "low", "Low", "AB1", "A1", "missing_value"])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(st.text(max_size=2), SCALARS, max_size=2)
)
ROWS = st.dictionaries(st.sampled_from([*FEATURES, "key", "other"]), VALUES)


def is_finite(row: Any) -> bool:
    try:
        json.dumps(row, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("refuse_unknown", [True, False])
@given(row=ROWS)
def test_a_row_is_taken_exactly_when_the_schema_says_so(row: dict[str, Any], *, refuse_unknown: bool) -> None:
    """NaN and infinity are no JSON: the schema cannot speak of them."""
    checks = RequestChecks(FIELDS, refuse_unknown=refuse_unknown)
    validator = Draft202012Validator(row_schema(FIELDS, refuse_unknown=refuse_unknown))
    taken = checks.taken(row)
    if is_finite(row) and not any(str(value).endswith("\n") for value in row.values()):
        assert (taken is not None) == validator.is_valid(row)
    assert (taken is None) == bool([*checks.faults(row, 0)])


@given(row=ROWS)
def test_a_row_that_is_taken_holds_every_feature_in_the_columns_own_type(row: dict[str, Any]) -> None:
    taken = RequestChecks(FIELDS, refuse_unknown=False).taken(row)
    kinds = {"float": float, "int": int, "string": str}
    if taken is not None:
        assert list(taken) == list(FEATURES)
        for name, value in taken.items():
            is_long = type(value) is int and float(value) != value  # there is no such float
            assert value is None or is_long or type(value) is kinds[COLUMNS[name]["type"]]
            assert value is None or value == row[name]


@given(row=st.one_of(VALUES, ROWS))
def test_whatever_comes_each_fault_can_be_written_down(row: Any) -> None:
    for fault in RequestChecks(FIELDS, refuse_unknown=True).faults(row, 3):
        assert fault.row == 3
        assert len(fault.came) < 100
        assert fault.allowed


def test_the_example_is_taken() -> None:
    assert RequestChecks(FIELDS, refuse_unknown=True).taken(example_row(FIELDS)) is not None
