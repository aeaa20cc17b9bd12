"""The checks and the JSON Schema that is shown are of one mind, whatever JSON comes."""

import json
from collections.abc import Mapping
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped] # its stubs are a package more

from service.models.request_columns import ColumnChecks
from service.models.request_fields import LARGEST_NUMBER, LARGEST_WHOLE, RequestChecks, request_fields
from service.serving.page_models import example_row, row_schema
from tests.worlds.served_models import COLUMNS, FEATURES, ROW, contract_of, features_of

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


# What a column can be asked for: each bound and list, numbers of 32 bits, and codes that are numbers.
MORE_COLUMNS: Mapping[str, Any] = {
    **COLUMNS,
    "single": {"type": "float", "min": 0.1, "max": 1e30},
    "few": {"type": "float", "allowed_values": [0.0, 0.1, 2**53 + 1]},
    "level": {"type": "int", "allowed_values": [0, 1, 2]},
    "count": {"type": "int"},
}
MORE_FEATURES: Mapping[str, Any] = {
    **FEATURES,
    **{name: {"type": "numeric"} for name in ("single", "few", "level", "count")},
}
MORE_FIELDS = request_fields(
    features_of(MORE_FEATURES), contract_of(MORE_COLUMNS), KNOWN, frozenset({"single", "few"})
)
MORE_ROW = {**ROW, "single": 0.1, "few": 0.1, "level": 1, "count": 3}
LIKELY = {"single": [0.1, 0.100000001, 1, 3.5e38], "few": [0, -0.0, 0.1, 2**53 + 1], "level": [0, 1.0, True]}
CHANGES = st.dictionaries(
    st.sampled_from([*MORE_FEATURES, "other"]), SCALARS, max_size=2
) | st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in LIKELY.items()})


def bits(value: Any) -> Any:
    """What tells each value from all others, a whole number from none that is equal."""
    return value if value is None or isinstance(value, str) else pack("d", value)


@pytest.mark.parametrize("refuse_unknown", [True, False])
@given(changes=st.lists(CHANGES, min_size=1, max_size=3), lost=st.sampled_from([*MORE_FEATURES, None]))
def test_what_is_taken_by_column_is_what_is_taken_row_by_row_to_the_bit(
    changes: list[dict[str, Any]], lost: str | None, *, refuse_unknown: bool
) -> None:
    rows = [
        {name: value for name, value in {**MORE_ROW, **change}.items() if name != lost} for change in changes
    ]
    columns = ColumnChecks(MORE_FIELDS, refuse_unknown=refuse_unknown).taken(rows)
    checks = RequestChecks(MORE_FIELDS, refuse_unknown=refuse_unknown)
    if columns is None:  # row by row it may be taken all the same
        return
    by_column = [[bits(value) for value in columns.values(name)] for name in MORE_FEATURES]
    taken = [checks.taken(row) for row in rows]
    assert by_column == [[bits((row or {})[name]) for row in taken] for name in MORE_FEATURES]


def test_rows_of_every_kind_are_taken_by_column() -> None:
    """What is not would still be right, and slow."""
    rows = [
        MORE_ROW,
        {**MORE_ROW, "size": None, "kind": None, "code": None, "level": 2.0},
        {**MORE_ROW, "count": -7},
    ]
    checks = ColumnChecks(MORE_FIELDS, refuse_unknown=True)
    assert checks.taken(rows) is not None
    without = [{name: value for name, value in row.items() if name != "size"} for row in rows]
    assert checks.taken(without) is not None
    assert checks.taken([{**row, "other": 1} for row in rows]) is None
