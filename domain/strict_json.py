"""JSON from outside: read strictly, in bounded time and memory. A name occurs once in an object."""

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn

from pydantic_core import from_json

from domain.record import UnreadableReason

DEEPEST: Final = 32  # of a request
DEEPEST_EVENT: Final = 2 * DEEPEST  # of an event of ours, which may hold a request whole
_BRACKETS: Final = re.compile(rb"[\[{]|[\]}]")
# The closing quote is optional, so that text without one is passed in one go instead of tried at each quote.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_ESCAPED_COLON: Final = re.compile(rb"\\u003[aA]")
# PostgreSQL stores neither NUL nor half a surrogate pair; the mark in their place is in no valid value.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class NotStrictJson(ValueError):
    """`reason` is a code: empty, not_utf8, not_json, too_deep, duplicate_key, not_finite, not_an_object."""

    def __init__(self, reason: UnreadableReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_json(data: bytes | str) -> object:
    """Read JSON as fast as it can be read. Texts are kept as they are; equal short ones are one object.

    Raises NotStrictJson: `duplicate_key`, or `not_json` for all else that is wrong, NaN included.
    """
    try:
        value = from_json(data, allow_inf_nan=False, cache_strings="all")
    except ValueError as error:
        raise NotStrictJson("not_json", str(error)) from None
    text = data if isinstance(data, bytes) else data.encode()
    colons = text.count(b":")
    # The reader keeps the last of equal names, so the value has fewer than its text has colons. A hook for
    # each object finds them as well, and takes longer than all the rest of a prediction's checks.
    if colons != _names(value) and (colons != _colons(value) or _ESCAPED_COLON.search(text)):
        json.loads(text, object_pairs_hook=_object)
    return value


def show_objects(data: bytes, look: Callable[[dict[str, object]], None]) -> None:
    """Show each object of a large document, inner ones first: one pass, where to read and to walk are two.

    Raises NotStrictJson: `duplicate_key` or `not_json`.
    """

    def shown(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            return _object(pairs)
        look(found)
        return found

    try:
        json.loads(data, object_pairs_hook=shown, parse_constant=_refuse)
    except NotStrictJson:
        raise
    except ValueError as error:
        raise NotStrictJson("not_json", str(error)) from None


def _names(value: object) -> int:
    """How many names a flat object, or a list of these, has."""
    if isinstance(value, dict):
        return len(value)
    return sum(len(row) for row in value if isinstance(row, dict)) if isinstance(value, list) else 0


def _colons(value: object) -> int:
    """How many colons the text of a value has: one after each name, and those within texts."""
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, dict):
        return len(value) + sum(map(_colons, value)) + sum(map(_colons, value.values()))
    return sum(map(_colons, value)) if isinstance(value, list) else 0


def object_in(data: bytes | None) -> dict[str, Any] | None:
    """The JSON object that a body holds; None where it holds none."""
    try:
        found = parse_json(data or b"")
    except NotStrictJson:
        return None
    return found if isinstance(found, dict) else None


def parse_object(data: bytes, *, deepest: int = DEEPEST) -> dict[str, object]:
    """Read one JSON object in UTF-8, without duplicate keys, NaN or infinity, at most `deepest` levels deep.

    A NUL or a lone surrogate in a text becomes U+FFFD. Raises NotStrictJson.
    """
    if not data:
        raise NotStrictJson("empty", "empty, where a JSON object is required")
    text = _decode(data)
    if _depth_may_exceed(data, deepest) and _depth(data) > deepest:
        raise NotStrictJson("too_deep", f"nested more than {deepest} levels deep")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_float=_float, parse_int=_int, parse_constant=_refuse
        )
    except json.JSONDecodeError as error:
        raise NotStrictJson("not_json", f"{error.msg} at character {error.pos}") from None
    if not isinstance(value, dict):
        raise NotStrictJson("not_an_object", f"a JSON {_KINDS[type(value)]}, where an object is required")
    return value


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJson("not_utf8", f"not UTF-8 at byte {error.start}") from None


def _depth_may_exceed(data: bytes, deepest: int) -> bool:
    return data.count(b"[") + data.count(b"{") > deepest


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", data)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _object(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        key = _storable(name)
        if key in found:
            raise NotStrictJson("duplicate_key", f"{key[:100]!r} occurs twice in one object")
        found[key] = _clean(value)
    return found


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _storable(text: str) -> str:
    return _UNSTORABLE.sub("\ufffd", text)


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse(text)
    return number


def _int(text: str) -> int:
    if math.isinf(float(text)):
        _refuse(text)
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise NotStrictJson("not_finite", f"{text[:20]} is not a number that every reader can hold")


_KINDS: Final = {
    list: "array",
    str: "text",
    bool: "truth value",
    int: "number",
    float: "number",
    type(None): "null",
}
