"""Strict JSON: what strangers send is read in bounded time, or refused with a code."""

import pytest

from handlers.strict_json import DEEPEST, NotStrictJson, parse_object


def reason_for(data: bytes) -> str:
    with pytest.raises(NotStrictJson) as refused:
        parse_object(data)
    return refused.value.reason


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"   ", "not_json"),
        (b'{"split_version": ', "not_json"),
        (b"{'a': 1}", "not_json"),
        (b'{"a": 1} {"b": 2}', "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"a": "\x01"}', "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        ('{"a": 1}'.encode("utf-16"), "not_utf8"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"3", "not_an_object"),
        (b"true", "not_an_object"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "duplicate_key"),
        (b'{"a": NaN}', "not_finite"),
        (b'{"a": -Infinity}', "not_finite"),
        (b'{"a": 1e400}', "not_finite"),
        (b'{"a": ' + b"9" * 400 + b"}", "not_finite"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "not_finite"),
        (b"[" * 200_000, "too_deep"),
        (b'{"a":' * 200_000, "too_deep"),
        (b'{"a": ' + b"[" * DEEPEST + b"]" * DEEPEST + b"}", "too_deep"),
    ],
)
def test_what_is_not_strict_json_is_refused_with_its_own_reason(data: bytes, reason: str) -> None:
    assert reason_for(data) == reason


def test_nesting_up_to_the_limit_is_read() -> None:
    inner = b"[" * (DEEPEST - 1) + b"]" * (DEEPEST - 1)
    assert "a" in parse_object(b'{"a": ' + inner + b"}")


def test_brackets_within_texts_are_no_nesting() -> None:
    text = "[{" * 500
    assert parse_object(b'{"a": "' + text.encode() + b' \\" ["}') == {"a": text + ' " ['}


def test_quotes_that_never_close_are_passed_in_linear_time() -> None:
    """A quadratic scan of these would take hours and trip the suite's timeout."""
    assert reason_for(b"[" * 100 + b'"' + b'\\"' * 120_000) == "too_deep"


def test_what_postgresql_cannot_store_becomes_the_replacement_mark() -> None:
    data = b'{"a\\u0000": ["\\u0000x", ["\\ud800"]], "b": "\\ud83d\\ude00"}'
    assert parse_object(data) == {"a\ufffd": ["\ufffdx", ["\ufffd"]], "b": "\N{GRINNING FACE}"}


def test_large_but_finite_integers_are_kept_whole() -> None:
    assert parse_object(b'{"a": ' + b"9" * 300 + b"}") == {"a": int("9" * 300)}
