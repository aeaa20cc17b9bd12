"""What may stand in a field: the contract's rules, and what the fitted model has a code for."""

from collections.abc import Mapping
from typing import Any

import pytest

from service.models.request_fields import RequestChecks, RequestField, request_fields
from service.serving.page_models import example_row
from tests.worlds.served_models import contract_of, features_of


def field(
    rule: Mapping[str, Any], spec: Mapping[str, Any], known: tuple[Any, ...] | None = None
) -> RequestField:
    columns = {"key": {"type": "int"}, "price": {"type": "float"}, "it": rule}
    held = {} if known is None else {"it": known}
    (found,) = request_fields(features_of({"it": spec}), contract_of(columns), held)
    return found


ORDINAL = {"type": "categorical", "encoding": "ordinal", "order": ["a", "b"]}


@pytest.mark.parametrize(
    ("spec", "known", "values"),
    [
        (ORDINAL, None, ("a", "b")),
        ({**ORDINAL, "order": ["b", "missing_value"], "impute": "constant"}, None, ("b", "missing_value")),
        ({"type": "categorical", "encoding": "binary", "order": ["a", "b"]}, None, ("a", "b")),
        (
            {"type": "categorical", "encoding": "binary", "order": ["a"], "impute": "constant"},
            None,
            ("a", "missing_value"),
        ),
        ({"type": "categorical", "encoding": "binary"}, ("a", "c"), ("a", "c")),
        ({"type": "categorical", "encoding": "binary"}, None, None),
        ({"type": "categorical", "encoding": "onehot"}, ("a", "c"), None),
        ({"type": "categorical", "encoding": "onehot", "order": ["a"]}, None, None),
    ],
)
def test_an_encoder_of_codes_takes_what_it_has_a_code_for(
    spec: Mapping[str, Any], known: tuple[Any, ...] | None, values: tuple[Any, ...] | None
) -> None:
    """One-hot takes every value: one that it does not know is all zeros."""
    assert field({"type": "string"}, spec, known).values == values


def test_the_contract_and_the_order_must_both_allow_a_value() -> None:
    assert field({"type": "string", "allowed_values": ["b", "c"]}, ORDINAL).values == ("b",)


@pytest.mark.parametrize(
    ("rule", "spec", "nullable"),
    [
        ({"type": "string"}, ORDINAL, False),
        ({"type": "string"}, {**ORDINAL, "impute": "most_frequent"}, True),
        ({"type": "string", "non_nullable": True}, {**ORDINAL, "impute": "most_frequent"}, False),
        ({"type": "string"}, {"type": "categorical", "encoding": "onehot"}, True),
        ({"type": "float"}, {"type": "numeric"}, True),
        ({"type": "float", "non_nullable": True}, {"type": "numeric", "impute": "mean"}, False),
    ],
)
def test_a_field_is_optional_where_contract_and_encoder_take_a_null(
    rule: Mapping[str, Any], spec: Mapping[str, Any], *, nullable: bool
) -> None:
    assert field(rule, spec).nullable is nullable


def test_the_example_of_a_text_of_some_form_is_one_that_training_saw() -> None:
    rule = {"type": "string", "format": r"[A-Z]{2}\d", "non_nullable": True}
    found = field(rule, {"type": "categorical", "encoding": "onehot"}, (None, "AB1", "CD2"))
    assert example_row([found]) == {"it": "AB1"}


def test_numbers_of_a_category_are_numbers() -> None:
    spec = {"type": "categorical", "encoding": "ordinal", "order": [1, 2]}
    found = field({"type": "int", "min": 0}, spec)
    assert (found.low, found.values, found.allowed) == (0, (1, 2), "one of 1, 2")


def taken(rule: Mapping[str, Any], spec: Mapping[str, Any], value: Any, *, is_single: bool = False) -> Any:
    """What the checks hand on; "refused" when they do not."""
    columns = {"key": {"type": "int"}, "price": {"type": "float"}, "it": rule}
    singles = {"it"} if is_single else set()
    fields = request_fields(features_of({"it": spec}), contract_of(columns), {"it": (0.1, 0.7)}, singles)
    row = RequestChecks(fields, refuse_unknown=True).taken({"it": value})
    return "refused" if row is None else row["it"]


ONEHOT = {"type": "categorical", "encoding": "onehot"}
SINGLE = 0.10000000149011612  # 0.1 in 32 bits


@pytest.mark.parametrize("kind", ["int", "float"])
@pytest.mark.parametrize("value", [2**53 + 1, -(2**63), 2**64 - 1])
def test_a_whole_number_is_handed_on_to_its_last_bit(kind: str, value: int) -> None:
    assert taken({"type": kind}, ONEHOT, value) == value


@pytest.mark.parametrize(
    ("kind", "value"), [("float", 1e19), ("float", -1e300), ("int", 1e19), ("int", 9007199254740994.0)]
)
def test_the_contract_alone_bounds_a_number(kind: str, value: float) -> None:
    assert taken({"type": kind}, {"type": "numeric"}, value) == value
    assert taken({"type": kind, "max": 1, "min": -1}, {"type": "numeric"}, value) == "refused"
    assert taken({"type": kind}, {"type": "numeric"}, 10**400) == "refused"


@pytest.mark.parametrize(
    "rule", [{}, {"max": 0.1}, {"min": 0.1}, {"allowed_values": [0.1, 0.2]}, {"min": SINGLE, "max": SINGLE}]
)
@pytest.mark.parametrize("value", [0.1, SINGLE])
def test_a_number_of_32_bits_is_known_in_both_spellings(rule: Mapping[str, Any], value: float) -> None:
    assert taken({"type": "float", **rule}, ONEHOT, value, is_single=True) == SINGLE


def test_codes_of_32_bits_are_compared_and_shown_as_people_spell_them() -> None:
    spec = {**ONEHOT, "encoding": "ordinal", "order": [0.1, 0.7]}
    assert taken({"type": "float"}, spec, 0.7, is_single=True) == 0.699999988079071
    assert taken({"type": "float"}, spec, 0.3, is_single=True) == "refused"
    for value in (1e39, 10**400, True, "0.1"):
        assert taken({"type": "float"}, ONEHOT, value, is_single=True) == "refused"
    columns = {"key": {"type": "int"}, "price": {"type": "float"}, "it": {"type": "float"}}
    known = {"it": (SINGLE, 0.699999988079071)}
    (found,) = request_fields(features_of({"it": spec}), contract_of(columns), known, {"it"})
    assert found.values == (0.1, 0.7)


def test_bounds_that_nobody_set_are_not_told() -> None:
    assert field({"type": "float"}, {"type": "numeric"}).allowed == "a number, or null"
    assert field({"type": "int", "min": 0}, {"type": "numeric"}).allowed == "a whole number from 0, or null"
