"""Verdicts that repeat themselves: what one decline does not say, several in a row do."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import takewhile
from typing import Final, Self

from domain.judged import Judged
from domain.promotion_checks import ENOUGH_GAIN, Decision
from domain.run_record import RunRecord
from domain.values import Value


class Kind(StrEnum):
    """What a verdict has in common with those before it, if that is worth a word of its own."""

    INCONCLUSIVE = "inconclusive"
    BELOW_MINIMUM = "gain below the minimum effect"


# At this length somebody is told, once: a streak is so long only once.
TOLD_AT: Final[Mapping[Kind, int]] = {Kind.INCONCLUSIVE: 3, Kind.BELOW_MINIMUM: 10}
MOST: Final = max(TOLD_AT.values()) + 1


class PastVerdict(Value):
    """One verdict of a model; `kind` is None for one that is not of interest."""

    run_id: str
    kind: Kind | None

    @classmethod
    def of_run(cls, run_id: str, record: RunRecord) -> Self:
        """Read it from what the run's steps left."""
        return cls(run_id=run_id, kind=_kind(record))


def streak_at(verdicts: Sequence[PastVerdict]) -> Kind | None:
    """What to tell of the first of these verdicts, the others before it, newest first; None: nothing."""
    kind = verdicts[0].kind if verdicts else None
    if kind is None:
        return None
    length = len(list(takewhile(lambda verdict: verdict.kind is kind, verdicts)))
    return kind if length == TOLD_AT[kind] else None


def _kind(record: RunRecord) -> Kind | None:
    if record.decided is None:
        return None
    verdict = record.decided.verdict
    if verdict.decision is Decision.INCONCLUSIVE:
        return Kind.INCONCLUSIVE
    failed = [check.name for check in verdict.checks if not check.passed]
    return Kind.BELOW_MINIMUM if failed == [ENOUGH_GAIN] and _is_better(record) else None


def _is_better(record: RunRecord) -> bool:
    judged = Judged.of_run(record)
    if judged is None or judged.candidate is None or judged.champion is None:
        return False
    return judged.candidate < judged.champion
