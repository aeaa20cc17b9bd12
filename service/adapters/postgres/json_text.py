"""JSON as it is kept in text columns."""

import json
from collections.abc import Mapping
from typing import Any


def dump(value: Mapping[str, Any]) -> str:
    """Write JSON in ASCII alone, so that even a NUL or half a surrogate pair in a string can be stored.

    Raises ValueError for NaN and infinity: what is kept is always JSON.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def dump_or_none(value: Mapping[str, Any] | None) -> str | None:
    """Write JSON, or None for None."""
    return None if value is None else dump(value)


def dump_sorted(value: Mapping[str, Any]) -> str:
    """Write JSON whose text is the same whenever its content is."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False, sort_keys=True)


def load(text: str) -> Any:
    """Read what was written."""
    return json.loads(text)
