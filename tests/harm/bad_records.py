"""A thousand ways to send nonsense, from a seed."""

import json
import random
from collections.abc import Iterator

Bad = tuple[bytes | None, list[tuple[str, bytes | None]], str]

_FIXED: tuple[Bad, ...] = (
    (None, [], "empty"),
    (b"", [], "empty"),
    (b"\xff\xfe{}", [], "not_utf8"),
    (b"\xef\xbb\xbf{}", [], "not_json"),
    (b"[" * 200_000, [], "too_deep"),
    (b'{"a":' * 40_000, [], "too_deep"),
    (b'{"split_version": 1, "split_version": 2}', [], "duplicate_key"),
    (b'{"split_version": NaN}', [], "not_finite"),
    (b'{"split_version": -Infinity}', [], "not_finite"),
    (b'{"split_version": 1e400}', [], "not_finite"),
    (b'{"split_version": ' + b"7" * 5000 + b"}", [], "not_finite"),
    (b"[1, 2]", [], "not_an_object"),
    (b'"3"', [], "not_an_object"),
    (b"3", [], "not_an_object"),
    (b"null", [], "not_an_object"),
    (b"{}", [("ce_id", None)], "bad_envelope"),
    (b"{}", [("content-type", b"\xff")], "bad_envelope"),
    (b"{}", [(f"x{n}", b"1") for n in range(10_000)], "bad_envelope"),
    (b"{}", [("ce_specversion", b"1.0")], "bad_envelope"),
    (b"{}" + b" " * 300_000, [], "too_large"),
)


def bad_records(seed: int, count: int) -> Iterator[Bad]:
    """Value, headers and the reason that each has to get; the fixed ones first, then cuts and noise."""
    chance = random.Random(f"{seed}:bad_records")
    yield from _FIXED
    for _ in range(count - len(_FIXED)):
        yield _cut(chance) if chance.random() < 0.5 else _noise(chance)


def _cut(chance: random.Random) -> Bad:
    """A JSON object that breaks off."""
    payload = {f"k{n}": chance.choice([1, "text", [1, 2], {"a": None}]) for n in range(chance.randint(1, 9))}
    text = json.dumps(payload).encode()
    return text[: chance.randint(1, len(text) - 1)], [], "not_json"


def _noise(chance: random.Random) -> Bad:
    """Bytes that are no UTF-8."""
    return b'{"' + chance.randbytes(chance.randint(0, 60)) + b"\xc3(", [], "not_utf8"
