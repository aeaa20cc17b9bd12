"""A text matches a format alike in training and in a request, in a time that grows with its length alone."""

from collections.abc import Mapping, Sequence

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.config_questions import slow_formats
from domain.data_contract import DataContract
from domain.text_pattern import is_linear, linear_matcher
from service.adapters.polars.contract_check import breaks_format
from service.models.request_fields import RequestChecks, RequestField
from service.processes.slow_patterns import SlowPattern

EXPLODES = ("([A-Za-z]+[_ ]?)+", "(a*)*b", "(x+x+)+y", r"(\w|\d)+!", r"(.*,){11}P")
TEXTS = (
    "",
    "A1",
    "A1\n",
    "a\nb",
    "\u0661",
    "\u017f",
    "K",
    "\u212a",
    "\xe4",
    "ab",
    "AB",
    "a b",
    "\u200b",
    "_",
    "a]",
    "\t",
)
PATTERNS = (
    r"\w+",
    r"\d*",
    r"[A-Z]\d",
    r"(?i)k",
    r".*",
    r"a|b|ab",
    r"[\s\S]*",
    r"^ab$",
    r"\bab\b",
    "[^a]",
    r"\p{L}+",
)


def field(pattern: str) -> RequestField:
    return RequestField("code", "string", nullable=True, format=pattern)


def in_training(pattern: str, texts: Sequence[str | None]) -> list[bool | None]:
    frame = pl.DataFrame({"code": texts}, schema={"code": pl.String})
    broken = frame.select(breaks_format(pl.col("code"), pattern))["code"]
    return [None if one is None else not one for one in broken]


def in_requests(pattern: str, texts: Sequence[str]) -> list[bool]:
    checks = RequestChecks([field(pattern)], refuse_unknown=True)
    return [checks.taken({"code": text}) is not None for text in texts]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_training_and_requests_judge_every_text_alike(pattern: str) -> None:
    assert in_requests(pattern, TEXTS) == in_training(pattern, TEXTS)


@given(st.text(max_size=8), st.sampled_from(PATTERNS))
def test_training_and_requests_judge_any_text_alike(text: str, pattern: str) -> None:
    assert in_requests(pattern, [text]) == in_training(pattern, [text])


@pytest.mark.parametrize("pattern", EXPLODES)
def test_a_pattern_that_would_explode_answers_for_long_texts(pattern: str) -> None:
    long = ["x" * 50_000 + "?", "a" * 50_000 + "?", "1," * 25_000 + "?"]
    assert in_requests(pattern, long) == [False, False, False]


def test_what_is_no_text_in_any_encoding_does_not_match() -> None:
    assert not linear_matcher(".*")("\ud800")


CONTRACT: Mapping[str, object] = {"version": 1, "primary_key": ["key"], "target": "price"}


def contract(pattern: str) -> DataContract:
    columns = {
        "key": {"type": "int"},
        "price": {"type": "float"},
        "code": {"type": "string", "format": pattern},
    }
    return DataContract.model_validate({**CONTRACT, "columns": columns})


@pytest.mark.parametrize("pattern", [r"(?=a)\w+", r"(a)\1", r"(?<!a)b", r"a\Z", "(?x)[A-Z] # a letter"])
def test_a_pattern_that_only_python_knows_is_read_and_asked_about(pattern: str) -> None:
    [fault] = slow_formats(contract(pattern))
    assert (fault.code, fault.field) == ("bad_config", "columns.code.format")
    assert not is_linear(pattern)


@pytest.mark.parametrize("pattern", ["(", "a)|(?:b", "[z-a]", "\\"])
def test_what_no_engine_knows_is_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="is not a regular expression"):
        contract(pattern)


def test_an_old_contracts_pattern_keeps_working_within_its_limits() -> None:
    """In training and in requests, one after another; what explodes does not match, and costs nobody else."""
    pattern = r"(?=.)([A-Za-z]+[_ ]?)+"
    texts = ["ab cd", "a" * 40 + "!", "", "x" * 2000, "z_z", "b" * 40 + "?", "last"]
    expected = [True, False, False, False, True, False, True]
    assert in_requests(pattern, texts) == expected
    assert in_training(pattern, [*texts, None]) == [*expected, None]
    assert field(pattern).is_slow
    assert not field("[a-z]").is_slow


def test_texts_that_all_explode_end_after_a_few() -> None:
    with SlowPattern("(?=.)(a+)+", seconds=0.02) as matches:
        assert matches.each(["a" * 40 + "!"] * 5000 + ["a"]) == [False] * 5001
        assert matches("a")
