"""Regular expressions of one linear engine, for contract, training and serving alike.

Python's own takes exponential time for some patterns, which a caller can make use of. The engine here is the
one that polars has too, so a text means the same in a file and in a request.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

Matches = Callable[[object], bool]
_WHY: Final = "error: "


def whole(pattern: str) -> str:
    """The pattern that a text matches if, as a whole, it matches this one."""
    return f"^(?:{pattern})$"


@lru_cache(maxsize=256)
def linear_matcher(pattern: str) -> Matches:
    """What says whether a whole text matches; anything but a text does not.

    Raises ValueError for a pattern that takes look-around or back-references, or is none.
    """
    try:
        _compiled(pattern)  # by itself too: with `a)|(?:b` the whole would be another pattern
        return _compiled(whole(pattern)).isinstance_python
    except SchemaError as error:
        told = str(error).partition(_WHY)[2] or str(error).rpartition("SchemaError: ")[2]
        raise ValueError(" ".join(told.split()).rstrip(".")[:200]) from None


def is_linear(pattern: str) -> bool:
    """True when a text of any length is matched in a time that grows with its length alone."""
    return why_not_linear(pattern) is None


def why_not_linear(pattern: str) -> str | None:
    """Why the engine does not take a pattern; None when it does."""
    try:
        linear_matcher(pattern)
    except ValueError as error:
        return str(error)
    return None


def _compiled(pattern: str) -> SchemaValidator:
    schema = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True)
    return SchemaValidator(schema)
