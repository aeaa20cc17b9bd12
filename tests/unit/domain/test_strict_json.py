"""Strict JSON: what strangers send is read in bounded time, or refused with a code."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.strict_json import DEEPEST, NotStrictJson, object_in, parse_json, parse_object


class Pairs(tuple[tuple[str, object], ...]):
    """An object whose names may occur twice."""

    __slots__ = ()


NAMES = st.sampled_from(["a", "b", ":", 'a"', "a:b", "\\u003a", "\N{GRINNING FACE}"])
VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3).map(Pairs),
    max_leaves=10,
)


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


def dumped(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def dumped_in_ascii(value: object) -> str:
    return json.dumps(value).replace(":", "\\u003A")


def written(value: object, colon: str, dump: Callable[[object], str]) -> str:
    """JSON as a careless writer makes it."""
    if isinstance(value, Pairs):
        return f"{{{','.join(f'{dump(name)}{colon}{written(item, colon, dump)}' for name, item in value)}}}"
    if isinstance(value, list):
        return f"[{','.join(written(item, colon, dump) for item in value)}]"
    return dump(value)


def repeats(value: object) -> bool:
    if isinstance(value, Pairs):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(repeats(item) for _, item in value)
    return isinstance(value, list) and any(map(repeats, value))


@given(VALUES, st.sampled_from([": ", ":", " :"]), st.sampled_from([json.dumps, dumped_in_ascii, dumped]))
def test_a_name_that_occurs_twice_is_refused_and_nothing_else_is(
    value: object, colon: str, dump: Callable[[object], str]
) -> None:
    text = written(value, colon, dump)
    if repeats(value):
        with pytest.raises(NotStrictJson, match="occurs twice") as refused:
            parse_json(text.encode())
        assert refused.value.reason == "duplicate_key"
    else:
        assert parse_json(text.encode()) == parse_json(text) == json.loads(text)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"NaN", b'{"a": NaN}', b'{"a":1,"a":2}', b'{"a":' * 500])
def test_a_body_without_an_object_of_strict_json_holds_none(data: bytes) -> None:
    assert object_in(data) is None
