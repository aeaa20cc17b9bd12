"""What a load's answers must be: none failed, each what its version says, no generation after a later one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from bench.load.open_loop import Call

# One row alone, a linear model's sums may be added up in another order than in bulk.
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Truth:
    """Each version's own predictions of the rows, and the version of each generation."""

    predictions: Mapping[str, Sequence[float]]
    versions: Mapping[int, str]


@dataclass(frozen=True)
class Verdict:
    """`failed`: no good answer, by fault. `wrong` and `backwards`: the calls that prove it."""

    calls: int
    failed: Mapping[str, int]
    wrong: Sequence[Call]
    backwards: Sequence[tuple[Call, Call]]


def judge(calls: Sequence[Call], truth: Truth) -> Verdict:
    """Look at every call."""
    good = [call for call in calls if not call.fault]
    return Verdict(
        calls=len(calls),
        failed=Counter(call.fault for call in calls if call.fault),
        wrong=[call for call in good if not _is_right(call, truth)],
        backwards=_backwards(good),
    )


def _is_right(call: Call, truth: Truth) -> bool:
    """The generation is the version's that it was promoted with, and the number is that version's own."""
    if truth.versions.get(call.generation) != call.version:
        return False
    return isclose(call.prediction, truth.predictions[call.version][call.row], rel_tol=_TOLERANCE)


def _backwards(calls: Sequence[Call]) -> list[tuple[Call, Call]]:
    """Pairs of one connection of which the later shows an older generation."""
    latest: dict[int, Call] = {}
    found = []
    for call in calls:
        before = latest.get(call.connection)
        if before is not None and call.generation < before.generation:
            found.append((before, call))
        latest[call.connection] = call
    return found
