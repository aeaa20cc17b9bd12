"""JSON as it is kept in text columns."""

import json
from collections.abc import Mapping


def dump(value: Mapping[str, object]) -> str:
    """Write JSON in ASCII alone, so that even a NUL or half a surrogate pair in a string can be stored.

    Raises ValueError for NaN and infinity: what is kept is always JSON.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def dump_sorted(value: Mapping[str, object]) -> str:
    """Write JSON whose text is the same whenever its content is."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=True)


def load(text: str) -> dict[str, object]:
    """Read what was written."""
    value: dict[str, object] = json.loads(text)
    return value
