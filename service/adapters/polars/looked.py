"""What was found in batches of rows, made into what would be found in all of them.

Answers are numbers by `<word> <column or rule>`; the words are rule, nulls, count, min, max, mean and std.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Looked: TypeAlias = Mapping[str, float | None]


def merged(some: Looked, more: Looked) -> Looked:
    """The answers about two sets of rows together; the first may be none."""
    if not some:
        return more
    return {question: _together(question, some, more) for question in some}


def is_a_number(value: float | None) -> bool:
    """JSON and MLflow know neither NaN nor infinity."""
    return value is not None and value - value == 0


def _together(question: str, some: Looked, more: Looked) -> float | None:
    word, _, name = question.partition(" ")
    if word in {"mean", "std"}:
        return {"mean": _mean, "std": _std}[word](_Moments.of(some, name), _Moments.of(more, name))
    one, other = some[question], more[question]
    if one is None or other is None:
        return other if one is None else one
    return _BOTH[word](one, other)


def _sum(one: float, other: float) -> float:
    return one + other


_BOTH: Final[Mapping[str, Callable[[float, float], float]]] = {
    "rule": _sum,
    "nulls": _sum,
    "count": _sum,
    "min": min,
    "max": max,
}


class _Moments:
    """Count, mean, and the sum of squares about the mean."""

    def __init__(self, count: float, mean: float, squares: float) -> None:
        self.count, self.mean, self.squares = count, mean, squares

    @classmethod
    def of(cls, looked: Looked, name: str) -> "_Moments":
        count, mean, std = (looked[f"{word} {name}"] or 0.0 for word in ("count", "mean", "std"))
        return cls(count, mean, std * std * (count - 1))


def _mean(some: _Moments, more: _Moments) -> float | None:
    count = some.count + more.count
    return some.mean + (more.mean - some.mean) * (more.count / count) if count else None


def _std(some: _Moments, more: _Moments) -> float | None:
    count = some.count + more.count
    if count <= 1:
        return None
    apart = more.mean - some.mean
    squares = some.squares + more.squares + apart * apart * (some.count * more.count / count)
    return math.sqrt(squares / (count - 1)) if squares == squares else None  # noqa: PLR0124 - NaN of infinities
