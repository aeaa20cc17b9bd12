"""JSON from strangers: read strictly, in bounded time and memory."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final

from domain.record import UnreadableReason

DEEPEST: Final = 32  # of a request
DEEPEST_EVENT: Final = 2 * DEEPEST  # of an event of ours, which may hold a request whole
_BRACKETS: Final = re.compile(rb"[\[{]|[\]}]")
# The closing quote is optional, so that text without one is passed in one go instead of tried at each quote.
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
# PostgreSQL stores neither NUL nor half a surrogate pair; the mark in their place is in no valid value.
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


class NotStrictJson(ValueError):
    """`reason` is a code: empty, not_utf8, not_json, too_deep, duplicate_key, not_finite, not_an_object."""

    def __init__(self, reason: UnreadableReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def parse_object(data: bytes, *, deepest: int = DEEPEST) -> dict[str, Any]:
    """Read one JSON object in UTF-8, without duplicate keys, NaN or infinity, at most `deepest` levels deep.

    A NUL or a lone surrogate in a text becomes U+FFFD. Raises NotStrictJson.
    """
    if not data:
        raise NotStrictJson("empty", "empty, where a JSON object is asked for")
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
        raise NotStrictJson("not_an_object", f"a JSON {_KINDS[type(value)]}, where an object is asked for")
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


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        key = _clean(name)
        if key in found:
            raise NotStrictJson("duplicate_key", f"{key[:100]!r} stands twice in one object")
        found[key] = _clean(value)
    return found


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    return value


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse(text)
    return number


def _int(text: str) -> int:
    if math.isinf(float(text)):
        _refuse(text)
    return int(text)


def _refuse(text: str) -> Any:
    raise NotStrictJson("not_finite", f"{text[:20]} is not a number that every reader can hold")


_KINDS: Final = {
    list: "array",
    str: "text",
    bool: "truth value",
    int: "number",
    float: "number",
    type(None): "null",
}
