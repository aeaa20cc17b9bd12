"""JSON as requests bring it."""

from typing import Any

from pydantic_core import from_json


def parse_json(body: bytes) -> Any:
    """Read JSON. Raises ValueError for anything else: NaN, half a surrogate pair, deep nesting."""
    return from_json(body, allow_inf_nan=False, cache_strings="keys")
