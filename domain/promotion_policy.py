"""The rule by which a candidate becomes champion, as a value and a pure decision."""

from typing import Final, Literal

from pydantic import Field

from domain.comparison import NOTHING_COMPARED, Compared
from domain.promotion_checks import (
    SAW_REFERENCE,
    Champion,
    NoChampion,
    UnreadableChampion,
    gate_checks,
)
from domain.score import Score
from domain.values import Value
from domain.verdict import Decision, Verdict

_DECLINES: Final = frozenset({"candidate_has_a_number", "another_model", "gain_above_minimum_effect"})


class PromotionPolicy(Value):
    """Promote when `metric` on the reference set falls by more than `minimum_effect` (in the metric's unit).

    The default, 0, is "strictly better".
    """

    name: Literal["lower_is_better"] = "lower_is_better"
    metric: Literal["rmsle", "mae"] = "rmsle"
    minimum_effect: float = Field(default=0.0, ge=0.0)


def decide(
    policy: PromotionPolicy,
    candidate: Score,
    champion: Champion | NoChampion | UnreadableChampion,
    compared: Compared = NOTHING_COMPARED,
) -> Verdict:
    """Say what to do and why; the caller does it. Whatever cannot be known is never "better"."""
    checks = gate_checks(policy.metric, policy.minimum_effect, candidate, champion, compared)
    failed = next((check for check in checks if not check.passed), None)
    saw = [check.detail for check in checks if check.name == SAW_REFERENCE and compared.champion_trained_rows]
    if failed is None:
        return Verdict(decision=Decision.PROMOTE, reasons=(checks[-1].detail, *saw), checks=checks)
    decision = Decision.DECLINE if failed.name in _DECLINES else Decision.INCONCLUSIVE
    return Verdict(decision=decision, reasons=(failed.detail, *saw), checks=checks)
