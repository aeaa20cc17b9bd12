"""The allowed value that somebody may have meant: by its spelling, or by its size."""

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from typing import Final

_MOST_LOOKED_AT: Final = 2_000  # values, each of which is compared sign by sign
_LONGEST: Final = 200  # signs


def nearest(value: object, allowed: Iterable[object]) -> object | None:
    """Find the value nearest to `value`, of its own kind; None when nothing is near.

    Two texts that differ in case, accents or spaces alone are as near as can be.
    """
    candidates = islice(allowed, _MOST_LOOKED_AT)
    if isinstance(value, str):
        return _nearest_text(value, [one for one in candidates if isinstance(one, str)])
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    numbers = [one for one in candidates if isinstance(one, int | float)]
    return min(numbers, key=lambda number: abs(number - value), default=None)


def suggestion(name: str, allowed: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: which one was probably meant; empty when none is near."""
    found = nearest(name, allowed)
    return "" if found is None else f" (did you mean {found}?)"


def _nearest_text(value: str, texts: list[str]) -> str | None:
    folded = {_folded(text): text for text in reversed(texts)}
    close = get_close_matches(_folded(value), folded, n=1)
    return folded[close[0]] if close else None


def _folded(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text[:_LONGEST])
    plain = "".join(sign for sign in apart if not unicodedata.combining(sign))
    return " ".join(plain.casefold().split())
